/** Above the map: how many disagreements there are, the filter that shows them alone, and the way to the queue. */
import { Link } from "react-router";
import type { PlateMap } from "../api/client";
import { countDisagreements, curateUrl, isOpen } from "../logic/disagreements";
import { plural } from "../logic/format";
import { Icon } from "./Icon";

interface Props {
  readonly map: PlateMap;
  readonly only: boolean;
  readonly onChange: (only: boolean) => void;
}

export function DisagreementTools({ map, only, onChange }: Props) {
  const { open, queued } = countDisagreements(map.cells);
  const first = map.cells.find(({ disagreement }) => isOpen(disagreement) && curateUrl(disagreement) !== undefined);
  const url = first?.disagreement == null ? undefined : curateUrl(first.disagreement);
  return (
    <div className="disagreement-tools">
      <button
        type="button"
        className="button"
        aria-pressed={only}
        title="Only drops on which people and the model disagree (o); d steps to the next"
        onClick={() => {
          onChange(!only);
        }}
      >
        <i className="disagrees-sign" aria-hidden="true" />
        {open === 0 ? "No disagreements" : plural(open, "disagreement")}
      </button>
      {url !== undefined && (
        <Link className="button" to={url} title={`${plural(queued, "of them waits", "of them wait")} for curators`}>
          <Icon name="curation" /> Curate {queued}
        </Link>
      )}
    </div>
  );
}
