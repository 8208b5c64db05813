/** Whether an imager looks new to the model in production, and its images into the curators' queue. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { client, type DriftSource, type QueuedDrift, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { drift } from "../api/why";
import { dateTime, plural } from "../logic/format";
import { loopJobs } from "../logic/learning";
import { Failure } from "./basics";
import { Icon } from "./Icon";
import { showError, showToast } from "./toasts";
import { RunningJob } from "./Trainings";
import { useAsking } from "./useAsking";

export function Drift({ task }: { task: string }) {
  const query = useQuery(drift(task));
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const running = loopJobs(jobs, task).filter((job) => job.kind === "loop.drift");
  const newest = jobs.find((job) => job.kind === "loop.drift" && job.subject === task);
  const { ask, pending } = useAsking(
    () => unwrap(client.POST("/api/v1/drift", { body: { task, by: "imager", count: 40 } })),
    { done: () => "Looking at the newest plates of every imager", failed: "It cannot be looked for" },
  );
  const found = query.data;
  return (
    <section className="panel card" aria-label="Drift">
      <header>
        <h2>Drift</h2>
        <button
          type="button"
          className="button end"
          disabled={pending || running.length > 0}
          onClick={() => {
            ask(undefined);
          }}
        >
          <Icon name="refresh" /> Look for new imagers
        </button>
      </header>
      {running.map((job) => (
        <RunningJob key={job.id} job={job} />
      ))}
      {newest?.state === "failed" && <p className="error-text">{newest.message}</p>}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {found?.job_id == null ? (
        <p className="muted">
          Compares the newest plates of every imager with the data set. What looks new should be labelled before the model
          is believed there.
        </p>
      ) : (
        <>
          {found.finished_at !== null && <p className="muted">Looked on {dateTime(found.finished_at)}.</p>}
          {found.sources.length === 0 && (
            <p className="muted">There are no plates of a named imager beside those of the data set.</p>
          )}
          <ul className="versions drift">
            {found.sources.map((source) => (
              <Source key={source.source} source={source} job={found.job_id ?? ""} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Source({ source, job }: { source: DriftSource; job: string }) {
  const cache = useQueryClient();
  const refresh = () => cache.invalidateQueries({ queryKey: ["curation"] });
  const takeBack = useMutation({
    mutationFn: (done: QueuedDrift) =>
      unwrap(client.POST("/api/v1/curation/withdrawals", { body: { items: done.joined, reason: "drift" } })),
    onSuccess: ({ withdrawn }) => {
      showToast({ text: `${plural(withdrawn, "drop")} taken out of the queue` });
    },
    onError: (error) => {
      showError("They stay in the queue", error);
    },
    onSettled: refresh,
  });
  const queue = useMutation({
    mutationFn: () =>
      unwrap(client.POST("/api/v1/drift/queue", { body: { job_id: job, source: source.source, answers_needed: 2 } })),
    onSuccess: (done) => {
      const known = done.known === 0 ? "" : `; ${done.known} wait there already or were answered`;
      const text = `${plural(done.joined.length, "drop")} joined the queue (drift: ${source.source})${known}`;
      if (done.joined.length === 0) showToast({ text });
      else {
        showToast({
          text,
          action: {
            name: "Undo",
            run: () => {
              takeBack.mutate(done);
            },
          },
        });
      }
    },
    onError: (error) => {
      showError("The queue stays as it was", error);
    },
    onSettled: refresh,
  });
  return (
    <li>
      <span className="what">
        <span>
          <b>{source.source}</b>{" "}
          {source.alarm ? (
            <span className="chip warn">looks new</span>
          ) : (
            <span className="chip">{source.possible ? "as the data set" : "too few plates"}</span>
          )}
        </span>
        <span className="muted">{source.message}</span>
      </span>
      {source.alarm && (
        <button
          type="button"
          className="button primary"
          disabled={queue.isPending}
          onClick={() => {
            queue.mutate();
          }}
        >
          <Icon name="curation" /> Put {source.to_label.length === 1 ? "it" : `these ${source.to_label.length}`} into the queue
        </button>
      )}
    </li>
  );
}
