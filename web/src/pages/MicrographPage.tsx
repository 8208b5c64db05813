import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { client, type Marks, maskUrl, pictureUrl, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Failure, Segmented } from "../components/basics";
import { Icon } from "../components/Icon";
import { type Box, type Handle, MicrographCanvas, type Tool } from "../components/MicrographCanvas";
import { useSwitch } from "../components/preferences";
import { ThresholdControl } from "../components/ThresholdControl";
import { showError, showToast } from "../components/toasts";
import { useShortcuts } from "../components/useShortcuts";
import { useThreshold } from "../components/useThreshold";
import { useTitle } from "../components/useTitle";
import { plural } from "../logic/format";
import { countAbove, decodePicks, pixelSizeText, type Point, shortName } from "../logic/particles";

const PICTURE_PX = 2048;
const CLOSE_PICTURE_PX = 4096;
const LOW_PASS = [
  { value: "0", name: "Off" },
  { value: "0.06", name: "Weak" },
  { value: "0.15", name: "Medium" },
  { value: "0.3", name: "Strong" },
] as const;
type LowPass = (typeof LOW_PASS)[number]["value"];
const NOBODY: readonly Point[] = [];

export default function MicrographPage() {
  const { projectId = "", micrographId = "" } = useParams();
  const project = useQuery(queries.particleProject(Number(projectId)));
  const expected = useQuery(queries.expected(Number(projectId), project.data?.model, project.data?.model_version));
  const [threshold, setThreshold, search] = useThreshold(expected.data?.threshold);
  // The list is asked for once per look, not for every step of the slider: only names and states are used here.
  const list = useQuery(queries.micrographs(Number(projectId), 0.5));
  const id = Number(micrographId);
  const index = list.data?.findIndex((one) => one.id === id) ?? -1;
  const micrograph = list.data?.[index];
  const marks = useQuery(queries.marks(id));
  const found = useQuery(queries.picks(id));
  const suggested = useQuery(queries.suggestions(Number(projectId)));
  useTitle(micrograph === undefined ? "Micrograph" : shortName(micrograph.name));

  const cache = useQueryClient();
  const navigate = useNavigate();
  const canvas = useRef<Handle>(null);
  const [tool, setTool] = useState<Tool>("mark");
  const [contrast, setContrast] = useState(1.4);
  const [brightness, setBrightness] = useState(1);
  const [lowPass, setLowPass] = useState<LowPass>("0.06");
  const [fine, setFine] = useSwitch("particles.fine");
  const [masked, setMasked] = useSwitch("particles.mask");
  const [hidden, setHidden] = useState(false);

  const picks = useMemo(() => decodePicks(found.data?.table ?? ""), [found.data]);
  const shown = countAbove(picks, threshold);
  const said = marks.data;

  const change = useMutation({
    mutationFn: (act: () => Promise<Marks>) => act(),
    onSuccess: (next) => {
      cache.setQueryData(["particles", "marks", id], next);
      void cache.invalidateQueries({ queryKey: ["particles", "picks", id] });
      for (const key of ["micrographs", "project"]) void cache.invalidateQueries({ queryKey: ["particles", key] });
    },
    onError: (error) => {
      showError("That could not be kept", error);
    },
  });
  const path = { params: { path: { micrograph_id: id } } };
  const post = (act: () => Promise<Marks>) => {
    change.mutate(act);
  };
  const mark = (place: Point) => {
    post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/marks", { ...path, body: place })));
  };
  const erase = (place: Point) => {
    post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/erase", { ...path, body: place })));
  };
  const eraseBox = (box: Box) => {
    const body = { ...box, threshold };
    post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/erase-box", { ...path, body })));
  };
  const undo = () => {
    post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/undo", path)));
  };
  const redo = () => {
    post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/redo", path)));
  };
  const go = (to: number) => {
    const next = list.data?.[to];
    if (next !== undefined) void navigate(`/particles/${projectId}/${next.id}${search}`);
  };
  const toSuggested = () => {
    const next = suggested.data?.find((one) => one.micrograph_id !== id);
    if (next === undefined) showToast({ text: "Every micrograph is labelled." });
    else void navigate(`/particles/${projectId}/${next.micrograph_id}${search}`);
  };
  const finish = () => {
    if (micrograph?.problem !== null) return;
    if (said?.finished === true) {
      post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/reopen", path)));
      return;
    }
    // Without picks to confirm, what is marked is all there is.
    const body = { threshold: found.data?.model_version == null ? null : threshold };
    post(() => unwrap(client.POST("/api/v1/particles/micrographs/{micrograph_id}/finish", { ...path, body })));
  };

  useShortcuts((shortcut) => {
    const keys: Record<string, () => void> = {
      j: () => { go(index + 1); },
      ArrowRight: () => { go(index + 1); },
      k: () => { go(index - 1); },
      ArrowLeft: () => { go(index - 1); },
      u: toSuggested,
      z: undo,
      y: redo,
      b: () => { setTool(tool === "box" ? "mark" : "box"); },
      h: () => { setHidden(!hidden); },
      m: () => { setMasked(!masked); },
      f: () => { canvas.current?.fit(); },
      "+": () => { canvas.current?.zoom(1.3); },
      "=": () => { canvas.current?.zoom(1.3); },
      "-": () => { canvas.current?.zoom(1 / 1.3); },
      "[": () => { setThreshold(threshold - 0.05); },
      "]": () => { setThreshold(threshold + 0.05); },
      Enter: finish,
      Escape: () => { void navigate(`/particles/${projectId}${search}`); },
    };
    const run = keys[shortcut];
    if (run === undefined) return false;
    run();
    return true;
  });

  const failure = [project, list, marks].find((query) => query.isError);
  if (failure?.error != null) return <Failure error={failure.error} retry={() => void failure.refetch()} />;
  if (list.data !== undefined && micrograph === undefined) {
    return (
      <div className="state">
        <h1>There is no such micrograph</h1>
        <Link className="button" to={`/particles/${projectId}${search}`}>
          All micrographs
        </Link>
      </div>
    );
  }
  if (micrograph === undefined || project.data === undefined) {
    return <div className="skeleton plate-skeleton" aria-label="Loading" />;
  }
  const diameter = project.data.diameter_px;
  const { width_px: width, height_px: height, pixel_size_angstrom: pixelSize } = micrograph;
  return (
    <div className="micrograph-page">
      <div className="micrograph-view">
        {width === null || height === null || micrograph.problem !== null ? (
          <div className="state">
            <h2>This micrograph cannot be used</h2>
            <p>{micrograph.problem}</p>
          </div>
        ) : (
          <MicrographCanvas
            key={id}
            ref={canvas}
            size={{ width, height }}
            picture={pictureUrl(id, fine ? CLOSE_PICTURE_PX : PICTURE_PX, Math.round(Number(lowPass) * diameter * 10) / 10)}
            mask={masked && found.data?.model_version != null ? maskUrl(id) : undefined}
            contrast={contrast}
            brightness={brightness}
            picks={picks}
            shown={said?.finished === true ? 0 : shown}
            particles={said?.particles ?? NOBODY}
            others={said?.others ?? NOBODY}
            diameterPx={diameter}
            hidden={hidden}
            tool={tool}
            label={`${shortName(micrograph.name)}: ${plural(shown, "pick")}, ${plural(said?.particles.length ?? 0, "mark")}`}
            onMark={mark}
            onErase={erase}
            onEraseBox={eraseBox}
          />
        )}
      </div>
      <aside className="micrograph-side">
        <header>
          <div className="crumbs">
            <Link to={`/particles/${projectId}${search}`}>{project.data.name}</Link> /
          </div>
          <h1 title={micrograph.name}>{shortName(micrograph.name)}</h1>
          <p className="muted num">
            {index + 1} of {list.data?.length ?? 0}
            {width !== null && height !== null && ` · ${width} × ${height} px`}
            {pixelSize !== null && ` · ${pixelSizeText(pixelSize)}`}
          </p>
          <div className="steps">
            <button type="button" className="button icon" title="Previous (k)" aria-label="Previous micrograph" disabled={index <= 0} onClick={() => { go(index - 1); }}>
              <Icon name="left" />
            </button>
            <button type="button" className="button icon" title="Next (j)" aria-label="Next micrograph" disabled={index + 1 >= (list.data?.length ?? 0)} onClick={() => { go(index + 1); }}>
              <Icon name="right" />
            </button>
            <button type="button" className="button" title="The micrograph to label next (u)" onClick={toSuggested}>
              Next to label <kbd>u</kbd>
            </button>
          </div>
        </header>
        <section>
          <h3>Particles</h3>
          <p>
            {said?.finished === true ? (
              <>
                <span className="chip accent">finished</span> {plural(said.particles.length, "particle")} confirmed.
              </>
            ) : (
              <>
                {plural(said?.particles.length ?? 0, "particle")} marked
                {found.data?.model_version == null ? "; nothing is picked here yet." : ` and ${plural(shown, "pick")} shown.`}
              </>
            )}
          </p>
          <div className="overrides">
            <Segmented
              label="Tool"
              value={tool}
              choices={[
                { value: "mark", name: "Click", title: "Click a particle to add it, a circle to remove it; drag moves the picture" },
                { value: "box", name: "Erase box", title: "Drag a box to remove everything in it (b, or Shift and drag)" },
              ]}
              onChange={setTool}
            />
            <button type="button" className="button icon" title="Undo (z)" aria-label="Undo" disabled={said?.can_undo !== true} onClick={undo}>
              <Icon name="undo" />
            </button>
            <button type="button" className="button icon flipped" title="Redo (y)" aria-label="Redo" disabled={said?.can_redo !== true} onClick={redo}>
              <Icon name="undo" />
            </button>
          </div>
          <button type="button" className={said?.finished === true ? "button" : "button primary"} disabled={width === null || micrograph.problem !== null} onClick={finish}>
            {said?.finished === true ? "Open again" : found.data?.model_version == null ? "All particles are marked" : "Accept what is shown"}{" "}
            <kbd>Enter</kbd>
          </button>
          <p className="muted hint">
            Click a particle to add it, a circle to remove it. Shift and drag clears a box. Scroll to zoom.
          </p>
        </section>
        {found.data?.model_version != null && said?.finished !== true && (
          <section>
            <ThresholdControl threshold={threshold} points={expected.data?.points ?? []} shown={shown} onChange={setThreshold} />
          </section>
        )}
        <section>
          <h3>Picture</h3>
          <span className="muted">Low-pass filter</span>
          <Segmented label="Low-pass filter" value={lowPass} choices={LOW_PASS} onChange={setLowPass} />
          <Slider label="Contrast" value={contrast} min={0.5} max={6} onChange={setContrast} />
          <Slider label="Brightness" value={brightness} min={0.3} max={2.5} onChange={setBrightness} />
          <label className="check">
            <input type="checkbox" checked={fine} onChange={(event) => { setFine(event.target.checked); }} /> Full detail
          </label>
          <label className="check">
            <input type="checkbox" checked={masked} onChange={(event) => { setMasked(event.target.checked); }} /> Masked areas <kbd>m</kbd>
          </label>
          <label className="check">
            <input type="checkbox" checked={hidden} onChange={(event) => { setHidden(event.target.checked); }} /> Hide circles <kbd>h</kbd>
          </label>
        </section>
      </aside>
    </div>
  );
}

function Slider(props: { label: string; value: number; min: number; max: number; onChange: (value: number) => void }) {
  return (
    <label className="slider">
      <span>{props.label}</span>
      <input
        type="range"
        min={props.min}
        max={props.max}
        step={0.05}
        value={props.value}
        onChange={(event) => {
          props.onChange(event.target.valueAsNumber);
        }}
      />
    </label>
  );
}
