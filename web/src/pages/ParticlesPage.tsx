import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link, useNavigate } from "react-router";
import { client, type NewProject, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Command, Failure } from "../components/basics";
import { Icon } from "../components/Icon";
import { showError } from "../components/toasts";
import { useTitle } from "../components/useTitle";
import { count, dateTime, plural } from "../logic/format";
import { modelTitle, pixelSizeText, shortName } from "../logic/particles";

/** Particle projects: each a folder of micrographs and one kind of particle. */
export function ParticlesPage() {
  useTitle("Particles");
  const query = useQuery(queries.particleProjects());
  const info = useQuery(queries.info()).data;
  const cache = useQueryClient();
  const [creating, setCreating] = useState(false);
  const remove = useMutation({
    mutationFn: async (id: number) => {
      const { response } = await client.DELETE("/api/v1/particles/projects/{project_id}", {
        params: { path: { project_id: id } },
      });
      if (!response.ok) throw new Error(response.statusText);
    },
    onError: (error) => {
      showError("The project cannot be forgotten", error);
    },
    onSettled: () => cache.invalidateQueries({ queryKey: ["particles"] }),
  });
  const projects = query.data ?? [];
  const button = (
    <button
      type="button"
      className="button primary"
      disabled={info?.import_allowed !== true}
      onClick={() => {
        setCreating(true);
      }}
    >
      New project…
    </button>
  );
  return (
    <div className="page narrow">
      <header>
        <h1>Particles</h1>
        {projects.length > 0 && <div className="actions">{button}</div>}
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.isPending ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : projects.length === 0 ? (
        <div className="state">
          <h2>Pick particles from a few labelled micrographs</h2>
          <p>
            Choose a folder of micrographs and the size of the particle. A general network picks at once; mark some
            particles where it errs, train on them, and export for RELION or cryoSPARC.
          </p>
          <div className="actions">{button}</div>
          {info?.import_allowed === false && (
            <>
              <p>This server may not look into any folder yet. Start it with the folder that holds your micrographs:</p>
              <Command text="structloop serve --import-root FOLDER" />
            </>
          )}
        </div>
      ) : (
        <ul className="cards">
          {projects.map((project) => (
            <li key={project.id} className="panel card">
              <header>
                <h2>
                  <Link to={`/particles/${project.id}`}>{project.name}</Link>
                </h2>
                {project.problems > 0 && <span className="chip warn">{plural(project.problems, "problem")}</span>}
                <button
                  type="button"
                  className="button quiet"
                  aria-label={`Forget ${project.name}`}
                  onClick={() => {
                    if (window.confirm(`Forget ${project.name} with its marks and picks? The micrographs are not touched.`))
                      remove.mutate(project.id);
                  }}
                >
                  Forget
                </button>
              </header>
              <p className="muted num">
                {plural(project.micrographs, "micrograph")} · {count(project.picked)} picked with {modelTitle(project.model)} ·{" "}
                {count(project.labelled)} labelled · made {dateTime(project.created_at)}
              </p>
              <p className="muted mono">{project.folder}</p>
            </li>
          ))}
        </ul>
      )}
      {creating && (
        <NewProjectDialog
          onClose={() => {
            setCreating(false);
          }}
        />
      )}
    </div>
  );
}

function NewProjectDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [path, setPath] = useState("");
  const [name, setName] = useState("");
  const [diameter, setDiameter] = useState("");
  const [unit, setUnit] = useState<"angstrom" | "px">("angstrom");
  const [pixelSize, setPixelSize] = useState("");
  const folder = useQuery(queries.folder(path));
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const create = useMutation({
    mutationFn: (body: NewProject) => unwrap(client.POST("/api/v1/particles/projects", { body })),
    onSuccess: (project) => {
      void cache.invalidateQueries({ queryKey: ["particles"] });
      void navigate(`/particles/${project.id}`);
    },
  });
  const here = folder.data?.path ?? "";
  const known = folder.data?.pixel_size_angstrom ?? null;
  const size = Number(diameter.replace(",", "."));
  const pixel = Number(pixelSize.replace(",", "."));
  const suggestedName = shortName(here);
  const needsPixelSize = unit === "angstrom" && known === null && !(pixel > 0);
  const ready = folder.data !== undefined && size > 0 && !needsPixelSize;
  return (
    <dialog ref={dialog} className="sheet" aria-labelledby="new-project" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!ready) return;
          create.mutate({
            name: name.trim() === "" ? suggestedName : name.trim(),
            folder: folder.data.path,
            pattern: "**/*",
            diameter_px: unit === "px" ? size : null,
            diameter_angstrom: unit === "angstrom" ? size : null,
            pixel_size_angstrom: pixel > 0 ? pixel : null,
          });
        }}
      >
        <header>
          <h2 id="new-project">New particle project</h2>
          <button type="button" className="button quiet icon" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        <div className="form">
          <div className="folders">
            <h3>Folder of micrographs</h3>
            {(folder.data?.roots.length ?? 0) > 1 && (
              <select className="field" aria-label="Where to look" value={folder.data?.roots.find((root) => here === root || here.startsWith(`${root}/`))} onChange={(event) => { setPath(event.target.value); }}>
                {folder.data?.roots.map((root) => (
                  <option key={root}>{root}</option>
                ))}
              </select>
            )}
            <p className="mono">{folder.data?.path ?? "…"}</p>
            <ul>
              {folder.data?.parent != null && (
                <li>
                  <button type="button" className="button quiet" onClick={() => { setPath(folder.data?.parent ?? ""); }}>
                    <Icon name="up" /> Up
                  </button>
                </li>
              )}
              {folder.data?.folders.map((one) => (
                <li key={one}>
                  <button type="button" className="button quiet" onClick={() => { setPath(`${here}/${one}`); }}>
                    <Icon name="folder" /> {one}
                  </button>
                </li>
              ))}
            </ul>
            {folder.isError ? (
              <p className="field-error" role="alert">
                {folder.error.message}
              </p>
            ) : (
              <p className="muted">
                {plural(folder.data?.micrographs ?? 0, "micrograph")} directly in it
                {folder.data?.width_px != null && `, ${folder.data.width_px} × ${folder.data.height_px ?? 0} px`}
                {known !== null && `, ${pixelSizeText(known)}`}; folders inside are included.
              </p>
            )}
          </div>
          <label className="labelled">
            Name
            <input className="field" value={name} placeholder={suggestedName} maxLength={200} onChange={(event) => { setName(event.target.value); }} />
          </label>
          <div className="overrides">
            <label className="labelled">
              Diameter of the particle
              <input className="field moves" inputMode="decimal" required value={diameter} aria-invalid={diameter !== "" && !(size > 0)} onChange={(event) => { setDiameter(event.target.value); }} />
            </label>
            <select className="field" aria-label="Unit of the diameter" value={unit} onChange={(event) => { setUnit(event.target.value === "px" ? "px" : "angstrom"); }}>
              <option value="angstrom">Å</option>
              <option value="px">pixels</option>
            </select>
            <label className="labelled">
              Pixel size (Å)
              <input className="field moves" inputMode="decimal" value={pixelSize} placeholder={known === null ? "" : String(Number(known.toPrecision(5)))} onChange={(event) => { setPixelSize(event.target.value); }} />
            </label>
          </div>
          {diameter !== "" && needsPixelSize && (
            <p className="muted">The files do not say their pixel size: give it, or the diameter in pixels.</p>
          )}
          {create.isError && (
            <p className="field-error" role="alert">
              {create.error.message}
            </p>
          )}
          <div className="actions">
            <button type="submit" className="button primary" disabled={!ready || create.isPending}>
              Make the project
            </button>
          </div>
        </div>
      </form>
    </dialog>
  );
}
