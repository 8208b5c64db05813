/** The versions of a task's data set, and building a new one: first what it would hold, and what would leak. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ApiError, type BuildDataset, client, type Dataset, type DatasetRow, exposurePictureUrl, thumbnailUrl, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { count, dateTime, percent, plural } from "../logic/format";
import { loopJobs, partCounts } from "../logic/learning";
import { Icon } from "./Icon";
import { Sheet } from "./Sheet";
import { RunningJob } from "./Trainings";
import { useAsking } from "./useAsking";
import { useShortcuts } from "./useShortcuts";

const LEAKS_SHOWN = 6;

export function Datasets({ task, who, versions }: { task: string; who: string; versions: readonly Dataset[] }) {
  const [building, setBuilding] = useState(false);
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const running = loopJobs(jobs, task).filter((job) => job.kind === "loop.dataset");
  const failed = jobs.find((job) => job.kind === "loop.dataset" && job.subject === task);
  useShortcuts((shortcut) => {
    if (shortcut !== "b") return false;
    setBuilding(true);
    return true;
  });
  return (
    <section className="panel card" aria-label="Data sets">
      <header>
        <h2>Data sets</h2>
        <button
          type="button"
          className={versions.length === 0 ? "button primary end" : "button end"}
          title="See what a version would hold (b)"
          onClick={() => {
            setBuilding(true);
          }}
        >
          Build a version
        </button>
      </header>
      {running.map((job) => (
        <RunningJob key={job.id} job={job} />
      ))}
      {failed?.state === "failed" && <p className="error-text">{failed.message}</p>}
      {versions.length === 0 ? (
        <p className="muted">
          None yet. A version holds what <Link to="/curation">curators settled</Link>; it is never changed, and part of it
          is kept apart for good to judge models by.
        </p>
      ) : (
        <ul className="versions">
          {versions.map((version) => (
            <li key={version.id}>
              <span className="what">
                <Link to={`/learning/datasets/${version.id}`}>{version.name}</Link>
                <span className="muted">
                  {dateTime(version.created_at)}, {version.made_by}
                  {version.why === "" ? "" : `: ${version.why}`}
                </span>
              </span>
              <Parts counts={version.counts} />
            </li>
          ))}
        </ul>
      )}
      {building && (
        <Build
          task={task}
          who={who}
          onClose={() => {
            setBuilding(false);
          }}
        />
      )}
    </section>
  );
}

/** `train 24 (crystal 5, other 19)` of each part. */
export function Parts({ counts }: { counts: Readonly<Record<string, unknown>> }) {
  return (
    <span className="parts num">
      {partCounts(counts).map((part) => (
        <span key={part.part}>
          {part.part} <b>{count(part.images)}</b>{" "}
          <span className="muted">
            ({part.labels.map(([label, number]) => `${label} ${count(number)}`).join(", ")}; {plural(part.groups, "group")})
          </span>
        </span>
      ))}
    </span>
  );
}

type Labels = NonNullable<BuildDataset["labels"]>;
const LABELS: readonly { value: Labels; name: string }[] = [
  { value: "curated", name: "what curators settled" },
  { value: "standing", name: "what curators settled, and labels that no curator has in hand" },
  { value: "agreed", name: "what curators settled, and labels with which the model agrees" },
  { value: "annotated", name: "all labels of people" },
];

function Build({ task, who, onClose }: { task: string; who: string; onClose: () => void }) {
  const [labels, setLabels] = useState<Labels>("standing");
  const [why, setWhy] = useState("");
  const [withhold, setWithhold] = useState(false);
  const request: BuildDataset = {
    task,
    made_by: who,
    why: "",
    labels,
    group_by: "auto",
    validation_share: 0.15,
    test_share: 0.2,
    test_set: null,
    withhold_leaks: withhold,
    seed: 0,
  };
  const plan = useQuery(queries.datasetPlan(request));
  const { ask, pending } = useAsking(
    () => unwrap(client.POST("/api/v1/datasets", { body: { ...request, why: why.trim() } })),
    { done: () => "The version is built", failed: "It cannot be built" },
    onClose,
  );
  const leaks = plan.data?.leak_count ?? 0;
  return (
    <Sheet
      title={`Build a version of ${task}`}
      action="Build"
      wide
      disabled={pending || !plan.isSuccess || (leaks > 0 && !withhold)}
      onSubmit={() => {
        ask(undefined);
      }}
      onClose={onClose}
    >
      <label>
        From
        <select
          className="field"
          value={labels}
          onChange={(event) => {
            setLabels(LABELS.find((one) => one.value === event.target.value)?.value ?? "standing");
          }}
        >
          {LABELS.map((one) => (
            <option key={one.value} value={one.value}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Why
        <input
          className="field"
          maxLength={1000}
          value={why}
          onChange={(event) => {
            setWhy(event.target.value);
          }}
        />
      </label>
      <div className="plan" aria-live="polite" aria-busy={plan.isFetching}>
        {plan.isError ? (
          <p className="error-text">
            {plan.error.message}
            {plan.error instanceof ApiError && plan.error.remedy !== null ? `; ${plan.error.remedy}` : ""}
          </p>
        ) : plan.data === undefined ? (
          <p className="muted">Looking at what it would hold …</p>
        ) : (
          <>
            <Parts counts={plan.data.counts} />
            {plan.data.waiting > 0 && (
              <p data-testid="waiting">
                <Link to={task.startsWith("crystals/") ? "/curation" : "/curation/exposures"}>
                  {plural(plan.data.waiting, "label")} {plan.data.waiting === 1 ? "waits" : "wait"} with curators
                </Link>
                : what they settle joins the next version.
              </p>
            )}
            <p className="muted">
              Split by {plan.data.group_by}.{" "}
              {plan.data.freezes_test_set
                ? "Its test part is frozen for good."
                : plan.data.test_set === null
                  ? "There is too little for a test set, so the gate will have nothing to judge by."
                  : `Judged by the frozen test set ${plan.data.test_set}; ${plural(plan.data.withheld, "image")} of its groups left out.`}
            </p>
            {leaks > 0 && (
              <>
                <p className="error-text">
                  {plural(leaks, "image")} to learn from {leaks === 1 ? "is, or looks like," : "are, or look like,"} an
                  image of the test set. A model would be judged by what it has seen.
                </p>
                <ul className="leaks">
                  {plan.data.leaks.slice(0, LEAKS_SHOWN).map((leak) => (
                    <li key={`${leak.train.key} ${leak.test.key}`}>
                      <RowPicture row={leak.train} />
                      <RowPicture row={leak.test} />
                      <span className="muted">{leak.same_file ? "the same file" : `${percent(leak.similarity)} alike`}</span>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </>
        )}
      </div>
      {(leaks > 0 || withhold) && (
        <label className="check">
          <input
            type="checkbox"
            checked={withhold}
            onChange={(event) => {
              setWithhold(event.target.checked);
            }}
          />
          Leave those out
        </label>
      )}
    </Sheet>
  );
}

export function RowPicture({ row }: { row: DatasetRow }) {
  const picture = row.image_id !== null ? thumbnailUrl(row.image_id) : row.exposure_id !== null ? exposurePictureUrl(row.exposure_id) : undefined;
  return (
    <figure className="row-picture">
      {picture === undefined ? (
        <span className="nothing">
          <Icon name="empty" />
        </span>
      ) : (
        <img src={picture} alt="" loading="lazy" decoding="async" />
      )}
      <figcaption>
        <b>{row.label}</b> <span className="muted">{row.key}</span>
      </figcaption>
    </figure>
  );
}
