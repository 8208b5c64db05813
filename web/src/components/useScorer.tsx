/** Who scores at this browser: asked once, before the first score; one may stay anonymous until there are users. */
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Icon } from "./Icon";
import { NameForm } from "./NameForm";
import { useSwitch } from "./preferences";
import { useCurator } from "./useCurator";

/** Nobody's name: the server records its own account. */
type Name = string | null;

export interface Scorer {
  /** Nothing where nobody was asked yet. */
  readonly name: Name | undefined;
  /** Runs with the name, once it is known. */
  readonly as: (run: (name: Name) => void) => void;
  /** Asks again at the next score. */
  readonly forget: () => void;
  /** To be shown: the question, while it is open. */
  readonly question: ReactNode;
}

export function useScorer(): Scorer {
  const [curator, setCurator] = useCurator();
  const [anonymous, setAnonymous] = useSwitch("anonymous");
  const [waiting, setWaiting] = useState<{ readonly run: (name: Name) => void }>();
  const name = curator !== "" ? curator : anonymous ? null : undefined;
  const answer = (given: Name) => {
    if (given === null) setAnonymous(true);
    else setCurator(given);
    setWaiting(undefined);
    waiting?.run(given);
  };
  return {
    name,
    as: (run) => {
      if (name === undefined) setWaiting({ run });
      else run(name);
    },
    forget: () => {
      setCurator("");
      setAnonymous(false);
    },
    question: waiting !== undefined && (
      <WhoScores
        onAnswer={answer}
        onClose={() => {
          setWaiting(undefined);
        }}
      />
    ),
  };
}

function WhoScores({ onAnswer, onClose }: { onAnswer: (name: Name) => void; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    dialog.current?.querySelector("input")?.focus();
  }, []);
  return (
    <dialog ref={dialog} className="sheet small" aria-labelledby="who-scores" onClose={onClose}>
      <header>
        <h2 id="who-scores">Who scores?</h2>
        <button type="button" className="button quiet icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <p>Your name stands beside your scores, and in what is learnt from them. Curation knows you by the same one.</p>
      <NameForm action="Score" onChosen={onAnswer} />
      <p>
        <button
          type="button"
          className="button quiet"
          onClick={() => {
            onAnswer(null);
          }}
        >
          Stay anonymous
        </button>
      </p>
    </dialog>
  );
}
