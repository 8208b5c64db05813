/** Trainings of a task: begin one, watch those that run, see what came of the others. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { client, type Dataset, type Job, type TrainingRun, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { dateTime } from "../logic/format";
import { failedTraining, loopJobs, nameOf, progressOf, verdictOf } from "../logic/learning";
import { jobTitle } from "../logic/jobs";
import { Bar, Failure } from "./basics";
import { Icon } from "./Icon";
import { useAsking } from "./useAsking";
import { useShortcuts } from "./useShortcuts";

const STATES: Readonly<Record<TrainingRun["state"], { name: string; chip: string }>> = {
  running: { name: "Running", chip: "chip accent" },
  finished: { name: "Done", chip: "chip" },
  stopped: { name: "Stopped", chip: "chip warn" },
  failed: { name: "Failed", chip: "chip danger" },
};

export function Trainings({ task, datasets }: { task: string; datasets: readonly Dataset[] }) {
  const query = useQuery(queries.trainingRuns(task));
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const mine = loopJobs(jobs, task).filter((job) => job.kind === "loop.train");
  const failed = failedTraining(jobs, task);
  return (
    <section className="panel card" aria-label="Trainings">
      <header>
        <h2>Trainings</h2>
      </header>
      {datasets.length === 0 ? (
        <p className="muted">Build a data set first: trainings learn from its images.</p>
      ) : (
        <Begin task={task} datasets={datasets} busy={mine.length > 0} />
      )}
      {mine.map((job) => (
        <RunningJob key={job.id} job={job} />
      ))}
      {failed !== undefined && query.data?.[0]?.state !== "failed" && <p className="error-text">{failed}</p>}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="runs">
        {query.data?.map((run) => (
          <Run key={run.id} run={run} />
        ))}
      </ul>
    </section>
  );
}

export function RunningJob({ job }: { job: Job }) {
  const title = `${jobTitle(job)} ${job.subject}`;
  const { ask, pending } = useAsking(
    () => unwrap(client.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: job.id } } })),
    { done: () => "It stops at the next safe point", failed: "It cannot be stopped" },
  );
  return (
    <div className="running-job" data-job={job.id}>
      <span>{title}</span>
      <Bar done={job.done} total={job.total} label={title} />
      <span className="muted">{job.state === "queued" ? "waits for its turn" : job.message}</span>
      <button
        type="button"
        className="button"
        disabled={pending}
        onClick={() => {
          ask(undefined);
        }}
      >
        Stop
      </button>
    </div>
  );
}

function Begin({ task, datasets, busy }: { task: string; datasets: readonly Dataset[]; busy: boolean }) {
  const [dataset, setDataset] = useState("");
  const [method, setMethod] = useState<"fast-head" | "lora">("fast-head");
  const { ask, pending } = useAsking(
    () =>
      unwrap(
        client.POST("/api/v1/training-runs", {
          body: { task, dataset: dataset === "" ? (datasets[0]?.name ?? null) : dataset, method, epochs: 1, seed: 0 },
        }),
      ),
    { done: () => "The training begins", failed: "It cannot be trained" },
  );
  useShortcuts((shortcut) => {
    if (shortcut !== "n" || pending || busy) return false;
    ask(undefined);
    return true;
  });
  return (
    <form
      className="toolbar"
      onSubmit={(event) => {
        event.preventDefault();
        ask(undefined);
      }}
    >
      <label className="labelled">
        On
        <select
          className="field"
          value={dataset}
          onChange={(event) => {
            setDataset(event.target.value);
          }}
        >
          {datasets.map((one, place) => (
            <option key={one.id} value={place === 0 ? "" : one.name}>
              {one.name}
              {place === 0 ? " (newest)" : ""}
            </option>
          ))}
        </select>
      </label>
      <label className="labelled">
        train
        <select
          className="field"
          value={method}
          onChange={(event) => {
            setMethod(event.target.value === "lora" ? "lora" : "fast-head");
          }}
        >
          <option value="fast-head">a fast head (seconds, any computer)</option>
          <option value="lora">LoRA on DINOv2 (hours without a GPU)</option>
        </select>
      </label>
      <button type="submit" className="button primary" title="Train on this data set (n)" disabled={pending || busy}>
        <Icon name="learning" /> Train
      </button>
    </form>
  );
}

function Run({ run }: { run: TrainingRun }) {
  const state = STATES[run.state];
  const verdict = verdictOf(run.course);
  const progress = run.state === "running" ? progressOf(run.course) : undefined;
  return (
    <li>
      <span className={state.chip}>{state.name}</span>
      <span className="what">
        <span>
          {run.model === null ? <b>{run.name}</b> : <Link to={`/models/${nameOf(run.model)}`}>{nameOf(run.model)}</Link>}{" "}
          <span className="muted">
            {run.method === "lora" ? "LoRA" : "fast head"} on{" "}
            {run.dataset_id === null ? (
              "a data set that is gone"
            ) : (
              <Link to={`/learning/datasets/${run.dataset_id}`}>{run.dataset ?? run.dataset_id}</Link>
            )}
            , from {run.start}
          </span>
        </span>
        {run.problem !== null && <span className="error-text">{run.problem}</span>}
        {progress !== undefined && (
          <span className="muted num">
            step {progress.step} of {progress.steps}, loss {progress.loss.toFixed(3)}
          </span>
        )}
        {verdict !== undefined && (
          <span className="muted">{verdict.passed ? "The gate lets it pass." : "The gate refuses it."}</span>
        )}
      </span>
      <span className="muted num">{dateTime(run.created_at)}</span>
    </li>
  );
}
