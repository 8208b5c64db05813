/** Asks who curates before anything is shown, and lets somebody else take over. */
import type { ReactNode } from "react";
import { Icon } from "./Icon";
import { NameForm } from "./NameForm";

interface Props {
  /** Empty: nobody yet. */
  readonly curator: string;
  readonly onCurator: (name: string) => void;
  /** What becomes of the answers. */
  readonly explains: string;
  /** Names of those who have curated. */
  readonly known: readonly string[];
  /** @param name Shows the curator's name; pressed, it asks again. */
  readonly children: (name: ReactNode) => ReactNode;
}

export function WhoCurates({ curator, onCurator, explains, known, children }: Props) {
  if (curator !== "") {
    return children(
      <button
        type="button"
        className="button quiet"
        title="Somebody else curates"
        onClick={() => {
          onCurator("");
        }}
      >
        {curator} <Icon name="close" size={12} />
      </button>,
    );
  }
  return (
    <div className="page narrow">
      <div className="state">
        <div className="art">
          <Icon name="curation" size={40} />
        </div>
        <h1>Who curates?</h1>
        <p>{explains}</p>
        <NameForm action="Begin" known={known} onChosen={onCurator} />
      </div>
    </div>
  );
}
