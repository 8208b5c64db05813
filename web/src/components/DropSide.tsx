/** Beside the images: what people say, what the model says (kept apart), and where the images come from. */
import { Link } from "react-router";
import { type DropDetail, type DropInspection, originalUrl } from "../api/client";
import { ago, bytes, dateTime, percent, percentOrDash } from "../logic/format";
import { imageName, type ShownImages } from "../logic/images";
import { type HumanLabel, labelName } from "../logic/labels";
import { ProbabilityLine } from "./DropInspector";
import { Disagreement } from "./Disagreement";
import { Icon } from "./Icon";
import { ScorePad } from "./ScorePad";
import { useNow } from "./useNow";
import type { Scorer } from "./useScorer";

interface Props {
  readonly drop: DropDetail;
  readonly inspection: DropInspection;
  readonly images: ShownImages;
  readonly blind: boolean;
  readonly scorer: Scorer;
  readonly onScore: (label: HumanLabel) => void;
  readonly onUndo: () => void;
  /** None where no score can be explained. */
  readonly onWhy: (() => void) | undefined;
}

export function DropSide({ drop, inspection, images, blind, scorer, onScore, onUndo, onWhy }: Props) {
  const now = useNow();
  const standing = drop.annotations.filter((annotation) => !annotation.withdrawn);
  return (
    <aside className="drop-side" aria-label="Scores">
      <section>
        <div className="section-head">
          <h3>Your score</h3>
          {scorer.name !== undefined && (
            <button type="button" className="button quiet small" title="Somebody else scores" onClick={scorer.forget}>
              {scorer.name ?? "anonymous"} <Icon name="close" size={12} />
            </button>
          )}
          <button type="button" className="button quiet small" title="Undo the last score (z)" onClick={onUndo}>
            <Icon name="undo" size={14} /> Undo
          </button>
        </div>
        <ScorePad current={standing[0]} onScore={onScore} />
        {standing.length > 0 && (
          <ul className="said" aria-label="What people said">
            {standing.map((annotation) => (
              <li key={annotation.id}>
                <b>{labelName(annotation.scheme, annotation.label)}</b>{" "}
                <span className="muted" title={dateTime(annotation.created_at)}>
                  {annotation.annotator}, {ago(annotation.created_at, now)}
                  {annotation.inspection === null ? "" : `, inspection ${annotation.inspection}`}
                  {annotation.score_visible ? "" : ", blind"}
                </span>
              </li>
            ))}
          </ul>
        )}
      </section>
      <section aria-label="The model's score">
        <h3>Model</h3>
        {blind ? (
          <p className="muted">
            Hidden while you score blind. <kbd>h</kbd> shows it.
          </p>
        ) : (
          <ModelScore drop={drop} inspection={inspection} onWhy={onWhy} />
        )}
      </section>
      {!blind && drop.disagreements.length > 0 && (
        <section aria-label="Disagreement">
          <h3>Person and model disagree</h3>
          {drop.disagreements.map((found) => (
            <div key={found.inspection} className="at-inspection">
              {drop.inspections.length > 1 && <span className="muted">Inspection {found.inspection}</span>}
              <Disagreement dropId={drop.id} found={found} />
            </div>
          ))}
        </section>
      )}
      <section className="facts-section">
        <h3>Images</h3>
        <dl className="facts num">
          <dt>Inspection</dt>
          <dd>
            {inspection.number}
            {inspection.taken_at === null ? "" : `, ${dateTime(inspection.taken_at)}`}
          </dd>
          {inspection.imager !== null && (
            <>
              <dt>Imager</dt>
              <dd>{inspection.imager}</dd>
            </>
          )}
          {[images.visible, images.other].map(
            (image) =>
              image !== undefined && (
                <div key={image.id} className="image-facts">
                  <dt>{imageName(image)}</dt>
                  <dd>
                    {image.width_px} × {image.height_px}, {bytes(image.size_bytes)}
                    {image.um_per_pixel === null ? "" : `, ${image.um_per_pixel} µm/px`}
                    <a href={originalUrl(image.id)} target="_blank" rel="noreferrer" title={image.path}>
                      {image.path.split(/[\\/]/).at(-1)}
                    </a>
                  </dd>
                </div>
              ),
          )}
        </dl>
      </section>
    </aside>
  );
}

interface ModelScoreProps {
  readonly drop: DropDetail;
  readonly inspection: DropInspection;
  readonly onWhy: (() => void) | undefined;
}

function ModelScore({ drop, inspection, onWhy }: ModelScoreProps) {
  const { scoring } = drop;
  const { score } = inspection;
  if (scoring === null) return <p className="muted">Not scored yet.</p>;
  const hit = score?.probability != null && score.probability >= scoring.alarm_threshold;
  const model = scoring.model_visible ?? scoring.model_uv;
  return (
    <>
      <div className="figure-line">
        <span className="big num" data-testid="model-score">
          {percentOrDash(score?.probability)}
        </span>
        <span className="muted">crystal</span>
        {hit && <span className="chip accent">hit</span>}
      </div>
      <ProbabilityLine name="Visible" value={score?.visible_probability ?? null} />
      <ProbabilityLine name="UV" value={score?.uv_probability ?? null} />
      {score?.error != null && <p className="error-text">{score.error}</p>}
      <p className="muted small-print">
        {model?.name} {model?.version} · {scoring.rule} · alarm from {percent(scoring.alarm_threshold)}
      </p>
      {onWhy !== undefined && (
        <button type="button" className="button small why-button" title="Where it comes from, and what is alike (w)" onClick={onWhy}>
          <Icon name="help" size={14} /> Why this score <kbd>w</kbd>
        </button>
      )}
      <Link to={`/plates/${drop.plate_id}/drops/${drop.id}/lineage?inspection=${inspection.number}`}>
        Where does this score come from?
      </Link>
    </>
  );
}
