/** The keys of human scoring, as buttons. */
import { ANSWER_LABELS, GRADE_LABELS, type HumanLabel } from "../logic/labels";

interface Props {
  readonly current: { readonly scheme: string; readonly label: string } | undefined;
  readonly onScore: (label: HumanLabel) => void;
}

export function ScorePad({ current, onScore }: Props) {
  const button = (label: HumanLabel) => (
    <button
      key={label.key}
      type="button"
      className={label.isCrystal === true ? "score crystal" : "score"}
      aria-pressed={current?.scheme === label.scheme && current.label === label.label}
      aria-keyshortcuts={label.key}
      onClick={() => {
        onScore(label);
      }}
    >
      <kbd>{label.key}</kbd>
      {label.name}
    </button>
  );
  return (
    <div className="score-pad">
      <div className="answers">{ANSWER_LABELS.map(button)}</div>
      <div className="grades">{GRADE_LABELS.map(button)}</div>
    </div>
  );
}
