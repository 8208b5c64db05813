import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { client, exportUrl, type Micrograph, type ParticleProject, pictureUrl, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Bar, Failure, Segmented } from "../components/basics";
import { Icon } from "../components/Icon";
import { useKept } from "../components/preferences";
import { ThresholdControl } from "../components/ThresholdControl";
import { showError, showToast } from "../components/toasts";
import { useThreshold } from "../components/useThreshold";
import { useTitle } from "../components/useTitle";
import { count, plural } from "../logic/format";
import { isFinal, jobTitle } from "../logic/jobs";
import { shortName } from "../logic/particles";

const THUMBNAIL_PX = 384;
const PAGE = 60;
const FORMATS = [
  { value: "star", name: "RELION, one STAR file" },
  { value: "relion-folder", name: "RELION, a folder for import" },
  { value: "cs", name: "cryoSPARC (.cs)" },
  { value: "box", name: "EMAN (.box)" },
  { value: "cbox", name: "crYOLO (.cbox)" },
  { value: "topaz", name: "Topaz (.txt)" },
  { value: "coord", name: "Coordinates (.coord)" },
  { value: "csv", name: "Table (.csv)" },
] as const;
const NAMES = [
  { value: "relative", name: "below the folder" },
  { value: "absolute", name: "whole paths" },
  { value: "file", name: "file names" },
] as const;
type Shown = "all" | "open" | "labelled" | "problems";

const isLabelled = (one: Micrograph) => one.finished || one.marked > 0;
const SHOWN: Record<Shown, (one: Micrograph) => boolean> = {
  all: () => true,
  open: (one) => !isLabelled(one) && one.problem === null,
  labelled: isLabelled,
  problems: (one) => one.problem !== null,
};

export function ParticleProjectPage() {
  const id = Number(useParams().projectId ?? "");
  const project = useQuery(queries.particleProject(id));
  useTitle(project.data?.name ?? "Particles");
  if (project.isError) return <Failure error={project.error} retry={() => void project.refetch()} />;
  if (project.data === undefined) return <div className="skeleton plate-skeleton" aria-label="Loading" />;
  return <Project project={project.data} />;
}

function Project({ project }: { project: ParticleProject }) {
  const { id } = project;
  const expected = useQuery(queries.expected(id, project.model, project.model_version));
  const [threshold, setThreshold, search] = useThreshold(expected.data?.threshold);
  const list = useQuery(queries.micrographs(id, threshold));
  const suggested = useQuery({ ...queries.suggestions(id), enabled: project.micrographs > 0 });
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const [shown, setShown] = useState<Shown>("all");
  const [most, setMost] = useState(PAGE);
  const running = jobs.find((job) => job.kind.startsWith("particles.") && job.subject === project.name && !isFinal(job.state));
  const failed = jobs.find((job) => job.kind.startsWith("particles.") && job.subject === project.name);
  const all = list.data ?? [];
  const visible = all.filter(SHOWN[shown]);
  const total = all.reduce((sum, one) => sum + (one.finished ? one.marked : one.marked + (one.picks ?? 0)), 0);
  const next = suggested.data?.[0];

  return (
    <div className="page particles">
      <header>
        <div className="crumbs">
          <Link to="/particles">Particles</Link> / <h1>{project.name}</h1>
        </div>
        <span className="muted num">
          {plural(project.micrographs, "micrograph")} · particle {count(Math.round(project.diameter_px))} px ·{" "}
          {project.labelled} labelled · {count(total)} particles
        </span>
      </header>
      {running !== undefined && (
        <div className="panel running-jobs">
          <ul>
            <li>
              <span>
                {jobTitle(running)} {running.message}
              </span>
              <Bar done={running.done} total={running.total} label={jobTitle(running)} />
              <Cancel jobId={running.id} />
            </li>
          </ul>
        </div>
      )}
      {running === undefined && failed?.state === "failed" && (
        <p className="note" role="alert">
          <strong>{jobTitle(failed)} failed.</strong> {failed.message}
        </p>
      )}
      <div className="particles-columns">
        <section>
          <div className="toolbar">
            <Segmented
              label="Which micrographs"
              value={shown}
              choices={[
                { value: "all", name: "All" },
                { value: "open", name: "To label" },
                { value: "labelled", name: "Labelled" },
                { value: "problems", name: `Problems${project.problems > 0 ? ` ${project.problems}` : ""}` },
              ]}
              onChange={setShown}
            />
          </div>
          {list.isError ? (
            <Failure error={list.error} retry={() => void list.refetch()} />
          ) : visible.length === 0 ? (
            <div className="state">
              <h2>{all.length === 0 ? "No micrographs here yet" : "None of these"}</h2>
              <p>
                {all.length === 0
                  ? running === undefined
                    ? `${project.folder} holds no file that matches ${project.pattern} and is a micrograph (MRC, TIFF, JPEG, PNG). Copy them there, then look again.`
                    : "The folder is being looked through."
                  : "No micrograph is in this list."}
              </p>
            </div>
          ) : (
            <div className="wall l">
              {visible.slice(0, most).map((one) => (
                <Thumbnail
                  key={one.id}
                  micrograph={one}
                  to={`/particles/${id}/${one.id}${search}`}
                  suggested={suggested.data?.some((other) => other.micrograph_id === one.id) === true}
                />
              ))}
            </div>
          )}
          {visible.length > most && (
            <button type="button" className="button" onClick={() => { setMost(most + 4 * PAGE); }}>
              Show more ({visible.length - most} left)
            </button>
          )}
        </section>
        <aside className="particles-side">
          <Learn project={project} busy={running !== undefined} suggestedName={next === undefined ? undefined : shortName(next.name)} />
          {next !== undefined && (
            <section className="panel card">
              <h3>Label this one next</h3>
              <p>
                <Link to={`/particles/${id}/${next.micrograph_id}${search}`}>{shortName(next.name)}</Link>
              </p>
              <p className="muted">{next.reason}</p>
            </section>
          )}
          {project.picked > 0 && (
            <section className="panel card">
              <ThresholdControl threshold={threshold} points={expected.data?.points ?? []} shown={undefined} onChange={setThreshold} />
              {expected.data?.limitations.map((line) => (
                <p key={line} className="muted">
                  {line}
                </p>
              ))}
            </section>
          )}
          <Export project={project} threshold={threshold} particles={total} />
        </aside>
      </div>
    </div>
  );
}

function Thumbnail({ micrograph, to, suggested }: { micrograph: Micrograph; to: string; suggested: boolean }) {
  const counts =
    micrograph.problem !== null
      ? "cannot be used"
      : micrograph.finished
        ? plural(micrograph.marked, "particle")
        : micrograph.picks === null
          ? micrograph.marked > 0
            ? `${micrograph.marked} marked`
            : "not picked"
          : count(micrograph.picks + micrograph.marked);
  return (
    <Link className="picture" to={to} title={micrograph.problem ?? micrograph.name}>
      <span className="frame">
        {micrograph.width_px === null ? (
          <span className="nothing">no picture</span>
        ) : (
          <img src={pictureUrl(micrograph.id, THUMBNAIL_PX)} alt="" loading="lazy" decoding="async" />
        )}
        {micrograph.finished ? (
          <span className="label crystal">finished</span>
        ) : suggested ? (
          <span className="label">label next</span>
        ) : micrograph.problem !== null ? (
          <span className="label">problem</span>
        ) : null}
      </span>
      <span className="caption">
        <span className="name detail">{shortName(micrograph.name)}</span>
        <span className="value num">{counts}</span>
      </span>
    </Link>
  );
}

function Cancel({ jobId }: { jobId: string }) {
  const stop = useMutation({
    mutationFn: () => unwrap(client.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: jobId } } })),
    onError: (error) => {
      showError("It cannot be stopped", error);
    },
  });
  return (
    <button type="button" className="button" disabled={stop.isPending} onClick={() => { stop.mutate(); }}>
      Stop
    </button>
  );
}

function Learn({ project, busy, suggestedName }: { project: ParticleProject; busy: boolean; suggestedName: string | undefined }) {
  const cache = useQueryClient();
  const pickers = useQuery(queries.pickers()).data ?? [];
  const [minutes, setMinutes] = useState(5);
  const path = { params: { path: { project_id: project.id } } };
  const started = {
    onSuccess: () => cache.invalidateQueries({ queryKey: ["jobs"] }),
    onError: (error: Error) => {
      showError("That cannot be started", error);
    },
  };
  const train = useMutation({
    mutationFn: () =>
      unwrap(client.POST("/api/v1/particles/projects/{project_id}/train", { ...path, body: { time_limit_s: minutes * 60 } })),
    ...started,
  });
  const pick = useMutation({
    mutationFn: () => unwrap(client.POST("/api/v1/particles/projects/{project_id}/pick", path)),
    ...started,
  });
  const scan = useMutation({
    mutationFn: () => unwrap(client.POST("/api/v1/particles/projects/{project_id}/scan", path)),
    ...started,
  });
  const choose = useMutation({
    mutationFn: (model: string) =>
      unwrap(client.PATCH("/api/v1/particles/projects/{project_id}", { ...path, body: { model } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: ["particles"] }),
    onError: (error) => {
      showError("The model cannot be changed", error);
    },
  });
  const unpicked = project.micrographs - project.problems - project.picked;
  return (
    <section className="panel card">
      <h3>Pick and learn</h3>
      <label className="labelled">
        Model
        <select
          className="field"
          value={project.model}
          onChange={(event) => {
            choose.mutate(event.target.value);
          }}
        >
          {!pickers.some((one) => one.name === project.model) && <option>{project.model}</option>}
          {pickers.map((one) => (
            <option key={one.name} title={one.summary}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" className={project.picked === 0 ? "button primary" : "button"} disabled={busy || unpicked <= 0} onClick={() => { pick.mutate(); }}>
        {project.picked === 0 ? `Pick ${plural(Math.max(0, unpicked), "micrograph")}` : unpicked > 0 ? `Pick ${count(unpicked)} more` : "All are picked"}
      </button>
      <div className="overrides">
        <button
          type="button"
          className={project.picked > 0 && project.labelled > 0 ? "button primary" : "button"}
          disabled={busy || project.labelled === 0}
          onClick={() => { train.mutate(); }}
        >
          Train on {plural(project.labelled, "micrograph")}
        </button>
        <label className="labelled">
          within
          <select className="field" value={minutes} onChange={(event) => { setMinutes(Number(event.target.value)); }}>
            {[1, 2, 5, 10, 30, 60].map((value) => (
              <option key={value} value={value}>
                {value} min
              </option>
            ))}
          </select>
        </label>
      </div>
      <p className="muted">
        {project.labelled === 0
          ? `Open a micrograph${suggestedName === undefined ? "" : `, best ${suggestedName},`} and click some particles; then a model can learn from them.`
          : `${count(project.marked_particles)} particles marked. Training picks everything again with the new model.`}
      </p>
      <button type="button" className="button quiet" disabled={busy} onClick={() => { scan.mutate(); }}>
        <Icon name="refresh" /> Look for new micrographs
      </button>
    </section>
  );
}

function Export({ project, threshold, particles }: { project: ParticleProject; threshold: number; particles: number }) {
  const [format, setFormat] = useKept("particles.format", FORMATS.map((one) => one.value), "star");
  const [names, setNames] = useKept("particles.names", NAMES.map((one) => one.value), "relative");
  const fetched = useMutation({
    mutationFn: async () => {
      const answer = await fetch(exportUrl(project.id, format, threshold, names));
      if (!answer.ok) {
        const problem = (await answer.json()) as { detail?: string; remedy?: string | null };
        throw new Error([problem.detail, problem.remedy].filter(Boolean).join("; "));
      }
      const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "picks";
      return { blob: await answer.blob(), name, remarks: decodeURIComponent(answer.headers.get("X-Remarks") ?? "") };
    },
    onSuccess: ({ blob, name, remarks }) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.click();
      window.setTimeout(() => {
        URL.revokeObjectURL(link.href);
      }, 60_000);
      showToast({ text: `${name} is written.` });
      setRemarks(remarks);
    },
    onError: (error) => {
      showError("Nothing was exported", error);
    },
  });
  const [remarks, setRemarks] = useState("");
  return (
    <section className="panel card">
      <h3>Export</h3>
      <label className="labelled">
        Format
        <select
          className="field"
          value={format}
          onChange={(event) => {
            const chosen = FORMATS.find((one) => one.value === event.target.value);
            if (chosen !== undefined) setFormat(chosen.value);
          }}
        >
          {FORMATS.map((one) => (
            <option key={one.value} value={one.value}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <label className="labelled" title="How the other program finds the micrographs">
        Micrographs as
        <select
          className="field"
          value={names}
          onChange={(event) => {
            const chosen = NAMES.find((one) => one.value === event.target.value);
            if (chosen !== undefined) setNames(chosen.value);
          }}
        >
          {NAMES.map((one) => (
            <option key={one.value} value={one.value}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" className="button" disabled={particles === 0 || fetched.isPending} onClick={() => { fetched.mutate(); }}>
        <Icon name="download" /> Export {plural(particles, "particle")}
      </button>
      {remarks !== "" && <p className="muted">{remarks}</p>}
    </section>
  );
}
