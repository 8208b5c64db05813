import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { client, type Job, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Bar, Command, Failure } from "../components/basics";
import { showError } from "../components/toasts";
import { useNow } from "../components/useNow";
import { useTitle } from "../components/useTitle";
import { ago, count, dateTime, plural } from "../logic/format";
import { isFinal, jobTitle } from "../logic/jobs";

const STATES: Readonly<Record<Job["state"], { name: string; chip: string }>> = {
  queued: { name: "Waiting", chip: "chip" },
  running: { name: "Running", chip: "chip accent" },
  succeeded: { name: "Done", chip: "chip" },
  failed: { name: "Failed", chip: "chip danger" },
  canceled: { name: "Stopped", chip: "chip warn" },
};

export function JobsPage() {
  useTitle("Jobs");
  const query = useQuery({ ...queries.jobs(), refetchOnMount: "always" });
  const problems = useQuery(queries.allProblems()).data;
  return (
    <div className="page narrow">
      <header>
        <h1>Jobs</h1>
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.data?.items.length === 0 ? (
        <div className="state">
          <h2>No jobs yet</h2>
          <p>Imports and scorings appear here while they run and after they end.</p>
          <Command text="structloop crystals import PATH" />
        </div>
      ) : (
        <ul className="jobs panel">
          {query.data?.items.map((job) => (
            <JobRow key={job.id} job={job} />
          ))}
        </ul>
      )}
      {problems !== undefined && problems.total > 0 && (
        <details className="problems panel">
          <summary>
            <span className="chip warn">{plural(problems.total, "file")}</span> could not be imported
          </summary>
          <ul>
            {problems.items.map((problem) => (
              <li key={problem.id}>
                <code>{problem.path}</code>
                <span>{problem.reason}</span>
                <span className="muted">{dateTime(problem.seen_at)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function JobRow({ job }: { job: Job }) {
  const now = useNow();
  const cache = useQueryClient();
  const cancel = useMutation({
    mutationFn: () =>
      unwrap(client.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: job.id } } })),
    onSettled: () => cache.invalidateQueries({ queryKey: ["jobs"] }),
    onError: (error) => {
      showError("The job cannot be stopped", error);
    },
  });
  const state = STATES[job.state];
  const ended = isFinal(job.state);
  return (
    <li className="job" data-job={job.id}>
      <span className={state.chip}>{state.name}</span>
      <span className="what">
        <span>
          {jobTitle(job)} <strong>{job.subject}</strong>
        </span>
        {job.message !== "" && <span className={job.state === "failed" ? "error-text" : "muted"}>{job.message}</span>}
      </span>
      <span className="how-far num">
        {!ended && <Bar done={job.done} total={job.total} label={`${jobTitle(job)} ${job.subject}`} />}
        <span className="muted">
          {job.total === null ? (job.done > 0 ? count(job.done) : "") : `${count(job.done)} of ${count(job.total)}`}
        </span>
      </span>
      <span className="when muted" title={dateTime(job.created_at)}>
        {ago(job.finished_at ?? job.created_at, now)}
      </span>
      <span className="act">
        {!ended && (
          <button
            type="button"
            className="button"
            disabled={cancel.isPending}
            onClick={() => {
              cancel.mutate();
            }}
          >
            Stop
          </button>
        )}
      </span>
    </li>
  );
}
