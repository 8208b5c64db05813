/** Imports a folder of images, or what a CSV manifest names: what it would do, how far it is, and what was left out. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ApiError, client, type ImportPreview, type ImportRequest, type Job, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { count, plural } from "../logic/format";
import { isFinal } from "../logic/jobs";
import { Bar, Command } from "./basics";
import { Sheet } from "./Sheet";

interface Props {
  readonly onClose: () => void;
}

export function ImportDialog({ onClose }: Props) {
  const [started, setStarted] = useState<Job>();
  if (started === undefined) return <Choose onStarted={setStarted} onClose={onClose} />;
  return (
    <Progress
      started={started}
      onAgain={() => {
        setStarted(undefined);
      }}
      onClose={onClose}
    />
  );
}

function Choose({ onStarted, onClose }: { onStarted: (job: Job) => void; onClose: () => void }) {
  const cache = useQueryClient();
  const info = useQuery(queries.info()).data;
  const layouts = useQuery(queries.layouts()).data ?? [];
  const [typed, setTyped] = useState<string>();
  const [layout, setLayout] = useState("auto");
  const [looked, setLooked] = useState<ImportRequest>();
  const roots = info?.import_roots ?? [];
  const path = (typed ?? roots[0] ?? "").trim();
  const isLooked = looked?.path === path && looked.layout === layout;
  const preview = useQuery({ ...queries.importPreview(looked ?? { path: "", layout }), enabled: isLooked });
  const start = useMutation({
    mutationFn: (request: ImportRequest) => unwrap(client.POST("/api/v1/imports", { body: request })),
    onSuccess: (job) => {
      void cache.invalidateQueries({ queryKey: ["jobs"] });
      onStarted(job);
    },
  });
  const ready = isLooked && preview.isSuccess;
  const failed = start.error ?? (isLooked ? preview.error : null);
  if (info?.import_allowed === false) {
    return (
      <Sheet title="Import images" action="Import" dismiss="Close" disabled onSubmit={onClose} onClose={onClose}>
        <p>This server may not look into any folder yet. Start it with the folder that holds your images:</p>
        <Command text="structloop serve --import-root FOLDER" />
      </Sheet>
    );
  }
  return (
    <Sheet
      title="Import images"
      action={ready ? "Import" : "Look"}
      wide
      disabled={path === "" || start.isPending || (isLooked && preview.isFetching) || (ready && preview.data.image_count === 0)}
      onSubmit={() => {
        if (ready) start.mutate({ path, layout });
        else if (isLooked) void preview.refetch();
        else setLooked({ path, layout });
      }}
      onClose={onClose}
    >
      <p className="muted">The images stay where they are; they are only read.</p>
      <label>
        Folder or CSV manifest, on the server
        <input
          className="field mono"
          maxLength={4096}
          spellCheck={false}
          list="import-roots"
          value={typed ?? roots[0] ?? ""}
          onChange={(event) => {
            setTyped(event.target.value);
          }}
        />
        <datalist id="import-roots">
          {roots.map((root) => (
            <option key={root} value={root} />
          ))}
        </datalist>
      </label>
      <label>
        Names of its files
        <select
          className="field"
          value={layout}
          onChange={(event) => {
            setLayout(event.target.value);
          }}
        >
          <option value="auto">recognised</option>
          {layouts.map((one) => (
            <option key={one.name} value={one.name} title={one.description}>
              {one.title}
            </option>
          ))}
        </select>
      </label>
      {(isLooked || failed !== null) && (
        <div className="plan" aria-live="polite" aria-busy={preview.isFetching}>
          {failed !== null ? (
            <p className="error-text" role="alert">
              {failed.message}
              {failed instanceof ApiError && failed.remedy !== null ? `; ${failed.remedy}` : ""}
            </p>
          ) : preview.data === undefined ? (
            <p className="muted">Looking through the names of its files …</p>
          ) : (
            <Preview preview={preview.data} />
          )}
        </div>
      )}
    </Sheet>
  );
}

function Preview({ preview }: { preview: ImportPreview }) {
  return (
    <>
      <p>
        <b>{plural(preview.image_count, "image")}</b> of {plural(preview.plates.length, "plate")}{" "}
        <span className="muted">
          ({preview.layout}: {preview.why})
        </span>
      </p>
      <ul className="import-plates">
        {preview.plates.map((plate) => (
          <li key={plate.barcode}>
            <b>{plate.barcode}</b> <span className="chip">{plate.is_new ? "new" : "known"}</span>{" "}
            <span className="muted num">
              {plural(plate.image_count, "image")}, {plate.modalities.join(" and ")}, {plate.rows} × {plate.columns} wells,{" "}
              {plate.inspections.length === 1 ? "inspection" : "inspections"} {plate.inspections.join(", ")}
            </span>
          </li>
        ))}
      </ul>
      <LeftOut title="would be left out" total={preview.problem_count} problems={preview.problems} />
    </>
  );
}

interface LeftOutProps {
  readonly title: string;
  readonly total: number;
  readonly problems: readonly { readonly path: string; readonly reason: string }[];
}

function LeftOut({ title, total, problems }: LeftOutProps) {
  if (total === 0) return null;
  return (
    <details className="problems" open={total <= 5}>
      <summary>
        <span className="chip warn">{plural(total, "file")}</span> {title}
      </summary>
      <ul>
        {problems.map((problem) => (
          <li key={problem.path}>
            <code>{problem.path}</code>
            <span>{problem.reason}</span>
          </li>
        ))}
        {total > problems.length && <li className="muted">and {count(total - problems.length)} more</li>}
      </ul>
    </details>
  );
}

interface ProgressProps {
  readonly started: Job;
  readonly onAgain: () => void;
  readonly onClose: () => void;
}

function Progress({ started, onAgain, onClose }: ProgressProps) {
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const job = jobs.find(({ id }) => id === started.id) ?? started;
  const outcome = useQuery({ ...queries.importOutcome(job.id), enabled: job.state === "succeeded" });
  return (
    <Sheet
      title="Import images"
      action="Import another"
      dismiss="Close"
      wide
      disabled={!isFinal(job.state)}
      onSubmit={onAgain}
      onClose={onClose}
    >
      <p className="mono import-subject">{job.subject}</p>
      <div className="plan" aria-live="polite">
        {job.state === "failed" ? (
          <p className="error-text" role="alert">
            {job.message}
          </p>
        ) : job.state === "canceled" ? (
          <p>Stopped. What was imported stays; importing again does the rest.</p>
        ) : outcome.isError ? (
          <p className="error-text">{outcome.error.message}</p>
        ) : outcome.data === undefined ? (
          <>
            <Bar done={job.done} total={job.total} label={`Importing ${job.subject}`} />
            <p className="muted num">
              {job.state === "queued" ? "waiting" : job.total === null ? job.message : `${count(job.done)} of ${count(job.total)} files`}
              . It goes on when this is closed; <Link to="/jobs">Jobs</Link> can stop it.
            </p>
          </>
        ) : (
          <>
            <p>
              <b>{plural(outcome.data.added, "image")} imported</b>
              {outcome.data.known > 0 && <span className="muted">, {count(outcome.data.known)} known already</span>}
              {outcome.data.stopped && <span className="muted">; it was stopped, importing again does the rest</span>}
            </p>
            <ul className="import-plates">
              {outcome.data.plates.map((plate) => (
                <li key={plate.id}>
                  <Link to={`/plates/${plate.id}`}>{plate.barcode}</Link>{" "}
                  <span className="muted num">{plural(plate.added, "new image")}</span>
                </li>
              ))}
            </ul>
            <LeftOut title="left out" total={outcome.data.problem_count} problems={outcome.data.problems} />
          </>
        )}
      </div>
    </Sheet>
  );
}
