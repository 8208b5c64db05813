/** A project's model: choosing one, picking with it, and training another on what was marked. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, type ParticleProject, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { count, plural } from "../logic/format";
import { modelTitle, modelWords } from "../logic/particles";
import { Icon } from "./Icon";
import { showError } from "./toasts";

export function ParticleLearn({ project, busy, suggestedName }: { project: ParticleProject; busy: boolean; suggestedName: string | undefined }) {
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
  const resize = useMutation({
    mutationFn: (diameter: number) =>
      unwrap(client.PATCH("/api/v1/particles/projects/{project_id}", { ...path, body: { diameter_px: diameter } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: ["particles"] }),
    onError: (error) => {
      showError("The diameter cannot be changed", error);
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
          {!pickers.some((one) => one.name === project.model) && (
            <option value={project.model}>{modelTitle(project.model)}</option>
          )}
          {pickers.map((one) => (
            <option key={one.name} value={one.name} title={one.summary}>
              {modelTitle(one.name)}
            </option>
          ))}
        </select>
      </label>
      <p className="muted">{modelWords(project.model)}</p>
      <label className="labelled">
        Diameter of the particle (px)
        <input
          key={project.diameter_px}
          className="field"
          type="number"
          min={1}
          step="any"
          disabled={busy}
          defaultValue={Number(project.diameter_px.toFixed(1))}
          onBlur={(event) => {
            const wanted = event.target.valueAsNumber;
            if (wanted > 0 && Math.abs(wanted - project.diameter_px) > 0.05) resize.mutate(wanted);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") event.currentTarget.blur();
          }}
        />
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
        <select className="field" aria-label="Time for training" value={minutes} onChange={(event) => { setMinutes(Number(event.target.value)); }}>
            {[1, 2, 5, 10, 30, 60].map((value) => (
              <option key={value} value={value}>
                in {value} min
              </option>
            ))}
          </select>
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
