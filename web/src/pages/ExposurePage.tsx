import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { type ExposureDetail, exposurePictureUrl, exposurePowerUrl } from "../api/client";
import * as queries from "../api/exposureQueries";
import { Failure } from "../components/basics";
import { ExposureFacts } from "../components/ExposureFacts";
import { MarkIcon } from "../components/ExposureList";
import { Icon } from "../components/Icon";
import { type Handle, MicrographCanvas } from "../components/MicrographCanvas";
import { useSwitch } from "../components/preferences";
import { TrackPlot } from "../components/TrackPlot";
import { useExposureMarks, useUndo } from "../components/useExposureMarks";
import { keep, useExposureView } from "../components/useExposureView";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { failureWords } from "../logic/exposures";
import { percent } from "../logic/format";
import { decodePicks, type Point, type View } from "../logic/particles";
import { exaggeration } from "../logic/tracks";

const PICTURE_PX = 2048;
const FINE_PX = 4096;
const AHEAD = 2;
const NOBODY: readonly Point[] = [];
const NO_PICKS = new Float32Array();
const nothing = () => undefined;

export default function ExposurePage() {
  const { sessionId = "", exposureId = "" } = useParams();
  const [session, id] = [Number(sessionId), Number(exposureId)];
  const { marks, mark } = useExposureMarks(session);
  const { columns, listing, rows } = useExposureView(session, marks);
  const query = useQuery({ ...queries.exposure(id), placeholderData: keepPreviousData });
  const navigate = useNavigate();
  const { undo } = useUndo();
  const canvas = useRef<Handle>(null);
  const [fine, setFine] = useSwitch("exposures.fine");
  const [tracks, setTracks] = useSwitch("exposures.tracks", true);
  const [particles, setParticles] = useSwitch("exposures.particles", true);
  const [contrast, setContrast] = useState(1.6);
  const detail = query.data;
  useTitle(detail?.exposure.name ?? "Exposure");
  useEffect(() => {
    keep(session, { chosen: id });
  }, [session, id]);

  const ids = useMemo(() => (columns === undefined ? [] : rows.map((row) => columns.ids[row] ?? -1)), [columns, rows]);
  const index = ids.indexOf(id);
  useEffect(() => {
    // What comes next is there before it is asked for.
    for (const next of ids.slice(index + 1, index + 1 + AHEAD)) new Image().src = exposurePictureUrl(next, PICTURE_PX);
  }, [ids, index]);
  const go = (to: number) => {
    const next = ids[to];
    if (next !== undefined) void navigate(`/exposures/${session}/${next}${listing.search}`);
  };
  const back = `/exposures/${session}${listing.search}`;
  useShortcuts((shortcut) => {
    const keys: Record<string, () => void> = {
      j: () => { go(index + 1); },
      ArrowRight: () => { go(index + 1); },
      k: () => { go(index - 1); },
      ArrowLeft: () => { go(index - 1); },
      g: () => { mark([id], "good"); go(index + 1); },
      b: () => { mark([id], "bad"); go(index + 1); },
      z: undo,
      m: () => { setTracks(!tracks); },
      p: () => { setParticles(!particles); },
      f: () => { canvas.current?.fit(); },
      "+": () => { canvas.current?.zoom(1.3); },
      "=": () => { canvas.current?.zoom(1.3); },
      "-": () => { canvas.current?.zoom(1 / 1.3); },
      Escape: () => { void navigate(back); },
    };
    const run = keys[shortcut];
    if (run === undefined) return false;
    run();
    return true;
  });

  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (detail === undefined) return <div className="skeleton plate-skeleton" aria-label="Loading" />;
  const { exposure } = detail;
  const standing = exposure.state === "failed" ? "failed" : (exposure.problematic ?? 0) >= 0.5 ? "problem" : "fine";
  const given = marks.get(exposure.id);
  return (
    <div className="micrograph-page exposure-page" aria-busy={query.isPlaceholderData}>
      <div className="micrograph-view">
        <Micrograph ref_={canvas} detail={detail} fine={fine} tracks={tracks} particles={particles} contrast={contrast} />
      </div>
      <aside className="micrograph-side">
        <header>
          <div className="crumbs">
            <Link to="/exposures">Exposures</Link> / <Link to={back}>{detail.session_name}</Link> /
          </div>
          <h1 title={exposure.name}>{exposure.name}</h1>
          <p className="muted num">
            {index < 0 ? "not in the list" : `${index + 1} of ${ids.length}`}
            {exposure.pixel_size_angstrom !== null && ` · ${Number(exposure.pixel_size_angstrom.toPrecision(4))} Å/px`}
            {exposure.dose_e_per_angstrom2 !== null && ` · ${exposure.dose_e_per_angstrom2.toFixed(0)} e/Å²`}
          </p>
          <div className="steps">
            <button type="button" className="button icon" title="Previous (k)" aria-label="Previous exposure" disabled={index <= 0} onClick={() => { go(index - 1); }}>
              <Icon name="left" />
            </button>
            <button type="button" className="button icon" title="Next (j)" aria-label="Next exposure" disabled={index + 1 >= ids.length} onClick={() => { go(index + 1); }}>
              <Icon name="right" />
            </button>
            <button type="button" className="button" aria-pressed={given === "good"} onClick={() => { mark([id], "good"); }}>
              Good <kbd>g</kbd>
            </button>
            <button type="button" className="button" aria-pressed={given === "bad"} onClick={() => { mark([id], "bad"); }}>
              Bad <kbd>b</kbd>
            </button>
            <MarkIcon mark={given} />
          </div>
        </header>
        <section aria-live="polite">
          <p className={`verdict ${standing}`}>
            <i className={`standing ${standing}`} />{" "}
            {standing === "failed"
              ? "It could not be processed"
              : standing === "fine"
                ? "Fine by the session's limits"
                : `Problematic, ${percent(exposure.problematic ?? 0)} sure`}
          </p>
          {exposure.reason !== null && <p className="failure" title={exposure.reason}>{failureWords(exposure.name, exposure.reason)}</p>}
          {exposure.reasons.length > 0 && (
            <ul className="reasons">
              {exposure.reasons.map((reason) => (
                <li key={reason.indicator}>
                  {reason.words} <span className="muted num">{percent(reason.probability)}</span>
                </li>
              ))}
            </ul>
          )}
        </section>
        {detail.has_power && (
          <section>
            <h3>Thon rings: fit left, spectrum right</h3>
            <a href={exposurePowerUrl(exposure.id, 1024)} target="_blank" rel="noreferrer" title="In full size">
              <img className="power" src={exposurePowerUrl(exposure.id, 512)} alt="Power spectrum, the fit in its left half" />
            </a>
          </section>
        )}
        {detail.path_angstrom.length > 1 && (
          <section>
            <h3>Motion of the whole</h3>
            <TrackPlot path={detail.path_angstrom} />
          </section>
        )}
        {detail.has_picture && (
          <section>
            <h3>Picture</h3>
            <label className="slider">
              <span>Contrast</span>
              <input type="range" min={0.5} max={5} step={0.05} value={contrast} onChange={(event) => { setContrast(event.target.valueAsNumber); }} />
            </label>
            <label className="check">
              <input type="checkbox" checked={fine} onChange={(event) => { setFine(event.target.checked); }} /> Full detail
            </label>
            <label className="check">
              <input type="checkbox" checked={tracks} onChange={(event) => { setTracks(event.target.checked); }} /> Local motion <kbd>m</kbd>
            </label>
            <label className="check">
              <input type="checkbox" checked={particles} onChange={(event) => { setParticles(event.target.checked); }} /> Particles <kbd>p</kbd>
            </label>
          </section>
        )}
        <ExposureFacts detail={detail} />
      </aside>
    </div>
  );
}

interface MicrographProps {
  readonly ref_: React.RefObject<Handle | null>;
  readonly detail: ExposureDetail;
  readonly fine: boolean;
  readonly tracks: boolean;
  readonly particles: boolean;
  readonly contrast: number;
}

function Micrograph({ ref_, detail, fine, tracks, particles, contrast }: MicrographProps) {
  const { exposure, local_paths: paths, width_px: width, height_px: height } = detail;
  const pixelSize = exposure.pixel_size_angstrom ?? 1;
  const factor = useMemo(
    () => exaggeration(paths.map((one) => one.path_angstrom), pixelSize, width ?? 4096),
    [paths, pixelSize, width],
  );
  const picks = useMemo(() => (particles ? decodePicks(detail.particles) : NO_PICKS), [detail, particles]);
  const drawOver = useCallback(
    (context: CanvasRenderingContext2D, view: View) => {
      if (!tracks) return;
      const long = (factor / pixelSize) * view.scale;
      for (const one of paths) {
        const [x, y] = [(one.x_px + 0.5) * view.scale + view.left, (one.y_px + 0.5) * view.scale + view.top];
        context.beginPath();
        for (const [dx, dy] of one.path_angstrom) context.lineTo(x + dx * long, y + dy * long);
        // On any ground: a dark line below the light one.
        context.lineJoin = "round";
        context.strokeStyle = "rgb(0 0 0 / 65%)";
        context.lineWidth = 4;
        context.stroke();
        context.strokeStyle = "#ffd166";
        context.lineWidth = 1.8;
        context.stroke();
        context.beginPath();
        context.arc(x, y, 3.5, 0, 2 * Math.PI);
        context.fillStyle = "#ffffff";
        context.fill();
      }
    },
    [paths, tracks, factor, pixelSize],
  );
  if (!detail.has_picture) {
    return (
      <div className="state">
        <h2>{exposure.state === "failed" ? "This exposure could not be processed" : "There is no picture of this exposure"}</h2>
        {exposure.state === "failed" ? (
          <>
            <p>{exposure.reason === null ? "Its process did not say why." : failureWords(exposure.name, exposure.reason)}</p>
            <p className="path">{detail.movie}</p>
          </>
        ) : (
          <p>Its session keeps numbers only.</p>
        )}
      </div>
    );
  }
  if (width === null || height === null) {
    return <img className="plain" src={exposurePictureUrl(exposure.id, PICTURE_PX, fine)} alt={exposure.name} />;
  }
  return (
    <>
      <MicrographCanvas
        key={exposure.id}
        ref={ref_}
        size={{ width, height }}
        picture={exposurePictureUrl(exposure.id, fine ? FINE_PX : PICTURE_PX, fine)}
        mask={undefined}
        contrast={contrast}
        brightness={1}
        picks={picks}
        shown={picks.length / 3}
        particles={NOBODY}
        others={NOBODY}
        diameterPx={(detail.particle_diameter_angstrom ?? 150) / pixelSize}
        hidden={false}
        tool="mark"
        label={`${exposure.name}, aligned`}
        drawOver={drawOver}
        onMark={nothing}
        onErase={nothing}
        onEraseBox={nothing}
      />
      {tracks && paths.length > 0 && <p className="track-note num">local motion, drawn {factor} × as long</p>}
    </>
  );
}
