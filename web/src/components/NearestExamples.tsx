/** The images that a model finds most alike to one: those it learnt from, or, told apart, those people here labelled. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { NearestExample } from "../api/client";
import * as queries from "../api/why";
import { settledBy } from "../logic/why";
import { Bar, Failure } from "./basics";
import type { WhySubject } from "./WhyDialog";

export function NearestExamples({ subject }: { subject: WhySubject }) {
  const query = useQuery(queries.nearest(subject.imageId, subject.model));
  const progress = query.data?.progress;
  const found = query.data?.nearest;
  return (
    <section aria-label="The most alike">
      <h3>{found?.origin === "facility" ? "The most alike that people here labelled" : "The most alike it learnt from"}</h3>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : found == null ? (
        <div className="why-progress" role="status">
          <Bar done={progress?.done ?? 0} total={progress?.total ?? null} label="Comparing images" />
          <span className="muted">
            {progress == null ? "asking" : progress.message}
            {progress?.total == null ? " …" : `: ${progress.done} of ${progress.total}`}
          </span>
        </div>
      ) : (
        <>
          <p className={found.origin === "training" ? "muted" : "why-note"}>
            {found.note}{" "}
            {found.dataset_id !== null && <Link to={`/learning/datasets/${found.dataset_id}`}>{found.dataset}</Link>}
            {found.unreadable > 0 && ` ${found.unreadable} could not be read.`}
          </p>
          <ol className="why-examples">
            {found.examples.map((example) => (
              <Example key={example.key} example={example} />
            ))}
          </ol>
          {found.examples.length > 0 && (
            <p className="muted small-print">
              Distance is that of the model’s features by angle: 0 is the same, 1 is unrelated. Alike to the model need
              not be alike to you.
            </p>
          )}
        </>
      )}
    </section>
  );
}

function Example({ example }: { example: NearestExample }) {
  return (
    <li>
      {example.picture_url === null ? (
        <span className="nothing">no image</span>
      ) : (
        <img src={example.picture_url} alt="" loading="lazy" />
      )}
      <span className="what">
        <span>
          <b>{example.label}</b> {example.detail} <span className="num muted">distance {example.distance.toFixed(3)}</span>
        </span>
        {example.is_itself && <span className="chip warn">this very image: it learnt from it</span>}
        <span className="muted">{settledBy(example)}</span>
        <span className="muted small-print">{example.key}</span>
      </span>
    </li>
  );
}
