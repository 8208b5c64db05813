/** Beside the images of a curated item: the answers, why it is asked, how far one is. */
import { Link } from "react-router";
import type { CurationItem, CurationQueue } from "../api/client";
import { ANSWERS, answersSoFar, CRYSTAL_TYPES, type CuratorChoice, REASON_NAMES, whyAsked } from "../logic/curation";
import { percent, plural } from "../logic/format";
import { Icon } from "./Icon";

interface Props {
  readonly item: CurationItem;
  readonly queue: CurationQueue | undefined;
  readonly left: number;
  readonly answered: number;
  readonly perMinute: number | undefined;
  readonly onAnswer: (choice: CuratorChoice) => void;
  readonly onUndo: () => void;
}

function Choice({ choice, onAnswer }: { choice: CuratorChoice; onAnswer: (choice: CuratorChoice) => void }) {
  return (
    <button
      type="button"
      className={choice.answer === "crystal" ? "score crystal" : "score"}
      aria-keyshortcuts={choice.key}
      onClick={() => {
        onAnswer(choice);
      }}
    >
      <kbd>{choice.key}</kbd>
      {choice.name}
    </button>
  );
}

export function CurationSide({ item, queue, left, answered, perMinute, onAnswer, onUndo }: Props) {
  return (
    <aside className="drop-side" aria-label="Answer">
      <section>
        <div className="section-head">
          <h3>Your answer</h3>
          <button type="button" className="button quiet small" title="Undo the last answer (z)" onClick={onUndo}>
            <Icon name="undo" size={14} /> Undo
          </button>
        </div>
        <div className="score-pad">
          <div className="answers">
            {ANSWERS.map((choice) => (
              <Choice key={choice.key} choice={choice} onAnswer={onAnswer} />
            ))}
          </div>
          <div className="answers crystal-types">
            {CRYSTAL_TYPES.map((choice) => (
              <Choice key={choice.key} choice={choice} onAnswer={onAnswer} />
            ))}
          </div>
        </div>
      </section>
      <section aria-label="Why it is asked">
        <h3>Why you are asked</h3>
        {item.reason !== null && <span className="chip">{item.drift_of === null ? REASON_NAMES[item.reason] : `drift: ${item.drift_of}`}</span>}
        <p data-testid="why">{whyAsked(item)}</p>
        {!item.is_blind && item.model !== null && (
          <p className="muted small-print">
            {item.model.name} {item.model.version}
          </p>
        )}
      </section>
      <section className="facts-section">
        <h3>Drop</h3>
        <dl className="facts num">
          <dt>Plate</dt>
          <dd>
            <Link to={`/plates/${item.plate_id}`}>{item.barcode}</Link>
          </dd>
          {item.project !== null && (
            <>
              <dt>Project</dt>
              <dd>{item.project}</dd>
            </>
          )}
          <dt>Inspection</dt>
          <dd>{item.inspection}</dd>
          <dt>Answers</dt>
          <dd>{answersSoFar(item)}</dd>
        </dl>
      </section>
      <section className="facts-section" aria-label="Progress">
        <h3>Progress</h3>
        <dl className="facts num">
          <dt>Answered now</dt>
          <dd data-testid="answered">
            {answered}
            {perMinute === undefined ? "" : `, ${Math.round(perMinute)} a minute`}
          </dd>
          <dt>Left for you</dt>
          <dd data-testid="left">{left}</dd>
          {queue !== undefined && (
            <>
              <dt>Settled</dt>
              <dd>
                {queue.settled}
                {queue.uncertain + queue.unusable > 0 ? `, ${plural(queue.uncertain + queue.unusable, "undecided", "undecided")}` : ""}
              </dd>
              {queue.alpha !== null && (
                <>
                  <dt title="Krippendorff's alpha of all answers: 1 is perfect agreement, 0 is chance">Agreement</dt>
                  <dd>α {queue.alpha.toFixed(2)}</dd>
                </>
              )}
            </>
          )}
        </dl>
        {queue !== undefined && queue.curators.length > 0 && (
          <ul className="said curators" aria-label="Curators">
            {queue.curators.map((one) => (
              <li key={one.curator}>
                <b>{one.curator}</b>{" "}
                <span className="muted num">
                  {plural(one.answers, "answer")}
                  {one.agreement === null ? "" : `, ${percent(one.agreement)} as settled`}
                  {one.median_seconds === null ? "" : `, ${one.median_seconds.toFixed(1)} s each`}
                </span>
              </li>
            ))}
          </ul>
        )}
      </section>
    </aside>
  );
}
