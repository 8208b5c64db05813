import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { type DatasetRow, type ModelStep, type ScoreLineage, thumbnailUrl } from "../api/client";
import * as queries from "../api/queries";
import { Failure } from "../components/basics";
import { Parts } from "../components/Datasets";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { Comparison } from "../components/Verdict";
import { WhyDialog, type WhySubject } from "../components/WhyDialog";
import { dateTime, percentOrDash, plural } from "../logic/format";
import { labelName } from "../logic/labels";
import { nameOf } from "../logic/learning";

const SHOWN = 24;

/** From a score to the model version that made it, the data set that taught it, and the people whose answers it holds. */
export default function LineagePage() {
  useTitle("Where this score comes from");
  const { plateId = "", dropId = "" } = useParams();
  const [parameters] = useSearchParams();
  const asked = parameters.get("inspection");
  const query = useQuery(queries.lineage(Number(dropId), asked === null ? undefined : Number(asked)));
  const found = query.data;
  const navigate = useNavigate();
  const [explained, setExplained] = useState<WhySubject>();
  useShortcuts((shortcut) => {
    const first = found?.scores.map(toExplain).find((subject) => subject !== undefined);
    if (shortcut === "Escape") void navigate(`/plates/${plateId}/drops/${dropId}`);
    else if (shortcut === "w" && first !== undefined) setExplained(first);
    else return false;
    return true;
  });
  return (
    <div className="page narrow learning">
      <header>
        <div className="crumbs">
          {found !== undefined && (
            <>
              <Link to={`/plates/${plateId}`}>{found.barcode}</Link> /{" "}
              <Link to={`/plates/${plateId}/drops/${dropId}`}>
                {found.well} drop {found.drop}
              </Link>{" "}
              /
            </>
          )}
          <h1>Where this score comes from</h1>
        </div>
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : found === undefined ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : (
        <div className="cards">
          <section className="panel card">
            <p className="figure-line">
              <span className="big num">{percentOrDash(found.probability)}</span>{" "}
              <span className="muted">
                crystal, at inspection {found.inspection}
                {found.rule === null ? "" : `; visible and UV became one by ${found.rule}`}
              </span>
            </p>
          </section>
          {found.scores.map((score) => (
            <Score
              key={`${score.image_id} ${score.steps[0]?.name ?? ""}@${score.steps[0]?.version ?? ""}`}
              score={score}
              onWhy={setExplained}
            />
          ))}
          {found.scores.length === 0 && <p className="muted">No image of this inspection has a score.</p>}
        </div>
      )}
      {explained !== undefined && found !== undefined && (
        <WhyDialog
          subjects={[explained]}
          name={`${found.barcode} ${found.well} drop ${found.drop}, inspection ${found.inspection}, ${explained.light}`}
          onClose={() => {
            setExplained(undefined);
          }}
        />
      )}
    </div>
  );
}

/** What a score needs to be explained: that it is one, and the version of the model that made it. */
function toExplain(score: ScoreLineage): WhySubject | undefined {
  const model = score.steps[0];
  if (model === undefined || score.probability === null) return undefined;
  return {
    imageId: score.image_id,
    light: score.modality === "uv" ? "UV" : "visible",
    model: { name: model.name, version: model.version },
    probability: score.probability,
  };
}

function Score({ score, onWhy }: { score: ScoreLineage; onWhy: (subject: WhySubject) => void }) {
  const subject = toExplain(score);
  return (
    <section className="panel card lineage" aria-label={`Score of the ${score.modality} image`}>
      <header>
        <img className="thumb" src={thumbnailUrl(score.image_id)} alt="" />
        <h2>
          {score.modality === "uv" ? "UV" : "Visible"} <span className="num">{percentOrDash(score.probability)}</span>
        </h2>
        <span className="muted">
          {dateTime(score.scored_at)}
          {score.is_current ? "" : "; kept, not the one that is shown"}
        </span>
        {score.error !== null && <span className="error-text">{score.error}</span>}
        {subject !== undefined && (
          <button
            type="button"
            className="button end"
            title="Where it comes from, and what is alike (w: of the first)"
            onClick={() => {
              onWhy(subject);
            }}
          >
            Why this score
          </button>
        )}
      </header>
      <ol className="steps">
        {score.steps.map((step, place) => (
          <li key={`${step.name}@${step.version}`}>
            <Step step={step} first={place === 0} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Step({ step, first }: { step: ModelStep; first: boolean }) {
  const { run, dataset } = step;
  return (
    <>
      <h3>
        {first ? "Made by" : "which began with"} <Link to={`/models/${step.name}`}>{step.name}</Link>{" "}
        <code>{step.version}</code>
      </h3>
      {run === null ? (
        <p className="muted">
          Not trained here. {step.trained_on}
          {step.synthetic ? " Only simulated images." : ""}
        </p>
      ) : (
        <p>
          Trained {dateTime(run.created_at)} ({run.method === "lora" ? "LoRA" : "fast head"}, seed {run.seed}) on{" "}
          {dataset === null ? (
            "a data set that is gone"
          ) : (
            <>
              <Link to={`/learning/datasets/${dataset.id}`}>{dataset.name}</Link>, made by {dataset.made_by}
              {dataset.why === "" ? "" : `: ${dataset.why}`}
            </>
          )}
        </p>
      )}
      {dataset !== null && (
        <>
          <Parts counts={dataset.counts} />
          <p>
            {step.people.length === 0
              ? "Its labels came with a published data set."
              : `It rests on ${step.people
                  .map((one) => `${one.name} (${one.part}, ${plural(one.images, "image")})`)
                  .join(", ")}.`}
          </p>
          {step.learnt !== null && (
            <p className="note">
              This very image is in it, in the part {step.learnt.partition}, as {step.learnt.label} ({step.learnt.source}):
              of it the score proves little.
            </p>
          )}
          <details>
            <summary>Its images, and who said what</summary>
            <Labels dataset={dataset.id} />
          </details>
        </>
      )}
      {step.events.length > 0 && (
        <ul className="said">
          {step.events.map((event) => (
            <li key={event.id}>
              <b>{event.goes_back ? "production again" : event.role}</b>{" "}
              <span className="muted">
                {dateTime(event.at)}, {event.who}
                {event.why === "" ? "" : `: ${event.why}`}
              </span>
            </li>
          ))}
        </ul>
      )}
      {run !== null && (
        <details>
          <summary>What was measured of {run.model === null ? run.name : nameOf(run.model)}</summary>
          <Comparison evidence={run.course} />
        </details>
      )}
    </>
  );
}

function Labels({ dataset }: { dataset: number }) {
  const query = useQuery(queries.datasetRows(dataset, undefined, SHOWN));
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return (
    <>
      <ul className="labels-list">
        {query.data?.items.map((row) => (
          <LabelRow key={row.key} row={row} />
        ))}
      </ul>
      <Link to={`/learning/datasets/${dataset}`}>All {query.data?.total ?? ""} images</Link>
    </>
  );
}

function LabelRow({ row }: { row: DatasetRow }) {
  const [asked, setAsked] = useState(false);
  const item = row.curation_item_id;
  const labelled =
    row.annotation_id === null || row.drop_id === null ? undefined : { drop: row.drop_id, annotation: row.annotation_id };
  return (
    <li>
      {row.image_id === null ? <span className="thumb nothing" /> : <img className="thumb" src={thumbnailUrl(row.image_id)} alt="" />}
      <span>
        <b>{row.label}</b> {row.detail} <span className="muted">{row.key}, {row.partition}, {row.source}</span>
        {item !== null && asked && <Answers item={item} />}
        {item === null && labelled !== undefined && asked && <Label {...labelled} />}
      </span>
      {(item !== null || labelled !== undefined) && !asked && (
        <button
          type="button"
          className="button quiet"
          onClick={() => {
            setAsked(true);
          }}
        >
          Who said so?
        </button>
      )}
    </li>
  );
}

/** What somebody said of a drop of their own accord. */
function Label({ drop, annotation }: { drop: number; annotation: number }) {
  const query = useQuery(queries.dropAnnotations(drop));
  if (query.isError) return <span className="error-text"> {query.error.message}</span>;
  const said = query.data?.find((one) => one.id === annotation);
  if (said === undefined) return null;
  return (
    <ul className="said">
      <li>
        {said.annotator}: <b>{labelName(said.scheme, said.label)}</b>{" "}
        <span className="muted">
          {dateTime(said.created_at)}
          {said.score_visible ? "" : ", blind"}
        </span>
      </li>
    </ul>
  );
}

function Answers({ item }: { item: number }) {
  const query = useQuery(queries.curationItem(item));
  if (query.isError) return <span className="error-text"> {query.error.message}</span>;
  return (
    <ul className="said">
      {query.data?.answers.map((answer) => (
        <li key={answer.curator}>
          {answer.curator}: <b>{answer.answer}</b>{" "}
          <span className="muted">
            {dateTime(answer.created_at)}
            {answer.probability_visible ? "" : ", blind"}
          </span>
        </li>
      ))}
    </ul>
  );
}
