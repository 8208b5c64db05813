/** What goes on with a plate and what went wrong: its running jobs, and the files that could not be imported. */
import { useQuery } from "@tanstack/react-query";
import * as queries from "../api/queries";
import { count, dateTime, plural } from "../logic/format";
import { isFinal, jobTitle } from "../logic/jobs";
import { Bar } from "./basics";

export function PlateJobs({ barcode }: { barcode: string }) {
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const own = jobs.filter((job) => job.subject === barcode && !isFinal(job.state));
  if (own.length === 0) return null;
  return (
    <ul className="running-jobs panel" aria-label="Running jobs">
      {own.map((job) => (
        <li key={job.id}>
          <span>{jobTitle(job)} this plate</span>
          <Bar done={job.done} total={job.total} label={`${jobTitle(job)} ${barcode}`} />
          <span className="muted num">
            {job.state === "queued"
              ? "waiting"
              : job.total === null
                ? job.message
                : `${count(job.done)} of ${count(job.total)}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

export function Problems({ plateId }: { plateId: number }) {
  const page = useQuery(queries.plateProblems(plateId)).data;
  if (page === undefined || page.total === 0) return null;
  return (
    <details className="problems panel">
      <summary>
        <span className="chip warn">{plural(page.total, "file")}</span> could not be imported
      </summary>
      <ul>
        {page.items.map((problem) => (
          <li key={problem.id}>
            <code>{problem.path}</code>
            <span>{problem.reason}</span>
            <span className="muted">{dateTime(problem.seen_at)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
