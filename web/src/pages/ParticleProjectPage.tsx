import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { client, type Micrograph, type ParticleProject, pictureUrl, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Bar, Failure, Segmented } from "../components/basics";
import { ParticleExport } from "../components/ParticleExport";
import { ParticleLearn } from "../components/ParticleLearn";
import { ThresholdControl } from "../components/ThresholdControl";
import { showError } from "../components/toasts";
import { useThreshold } from "../components/useThreshold";
import { useTitle } from "../components/useTitle";
import { count, plural } from "../logic/format";
import { isFinal, jobTitle } from "../logic/jobs";
import { shortName } from "../logic/particles";

const THUMBNAIL_PX = 384;
const PAGE = 60;
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
                    ? `${project.folder} holds no micrograph (MRC, TIFF, JPEG, PNG)${project.pattern === "**/*" ? "" : ` that matches ${project.pattern}`}. Copy some there, then look for new micrographs.`
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
          <ParticleLearn project={project} busy={running !== undefined} suggestedName={next === undefined ? undefined : shortName(next.name)} />
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
          <ParticleExport project={project} threshold={threshold} particles={total} />
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
        {micrograph.problem !== null ? (
          <span className="nothing">{micrograph.problem}</span>
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
