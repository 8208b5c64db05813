/** The map of a session: tiles, squares and patches, holes coloured by expectation and outcome, and the path so far. */
import { useEffect, useMemo, useRef } from "react";
import type { Replay, SessionHoles } from "../api/client";
import { outcomesAt } from "../logic/replay";
import { useTheme } from "./theme";

interface Props {
  readonly holes: SessionHoles;
  readonly replay: Replay | undefined;
  readonly step: number;
  readonly chances: Uint8Array | undefined;
  readonly forbidden: ReadonlySet<string>;
  readonly selected: ReadonlySet<number>;
  readonly onPick: (row: number, extend: boolean) => void;
}

const MARGIN = 14;
const LABEL = 0.34;

/** Expectation as one ramp of blue, from nearly the ground to strong; read beside the legend. */
export function expectationColour(percent: number, dark: boolean): string {
  const share = percent / 100;
  return dark
    ? `hsl(205 70% ${(20 + 52 * share).toFixed(0)}%)`
    : `hsl(205 70% ${(92 - 58 * share).toFixed(0)}%)`;
}

interface Frame {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

function frameOf(holes: SessionHoles, width: number, height: number): Frame {
  const right = Math.max(1, ...holes.squares.map((place) => place.x + place.width));
  const bottom = Math.max(1, ...holes.squares.map((place) => place.y + place.height));
  const scale = Math.min((width - 2 * MARGIN) / right, (height - 2 * MARGIN) / (bottom + LABEL));
  return { scale, left: MARGIN, top: MARGIN + LABEL * scale };
}

export function SessionMap(props: Props) {
  const { holes, replay, step, chances, forbidden, selected, onPick } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const dark = useTheme() === "dark";
  const outcomes = useMemo(
    () => (replay === undefined ? new Map<number, "good" | "bad">() : outcomesAt(replay, step)),
    [replay, step],
  );

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const draw = () => {
      const context = element.getContext("2d");
      if (context === null) return;
      const { clientWidth: width, clientHeight: height } = element;
      const ratio = window.devicePixelRatio;
      element.width = width * ratio;
      element.height = height * ratio;
      context.scale(ratio, ratio);
      const style = getComputedStyle(element);
      const colour = (name: string) => style.getPropertyValue(name).trim();
      const { scale, left, top } = frameOf(holes, width, height);
      const at = (row: number): [number, number] => [
        left + (holes.x[row] ?? 0) * scale,
        top + (holes.y[row] ?? 0) * scale,
      ];
      const size = Math.max(2, Math.min(7, scale * 0.075));

      context.font = `${Math.max(9, Math.min(12, scale * 0.24))}px ${style.fontFamily}`;
      context.fillStyle = colour("--map-label");
      for (const place of holes.squares) {
        const label = `${place.atlas_tile} · ${place.square}`;
        context.fillText(label, left + place.x * scale, top + place.y * scale - scale * 0.1);
      }
      holes.hole_id.forEach((name, row) => {
        const [x, y] = at(row);
        const outcome = outcomes.get(row);
        context.beginPath();
        context.arc(x, y, outcome === undefined ? size * 0.8 : size, 0, 2 * Math.PI);
        if (outcome !== undefined) context.fillStyle = colour(outcome === "good" ? "--map-good" : "--map-bad");
        else if (chances === undefined) context.fillStyle = colour("--map-hole");
        else context.fillStyle = expectationColour(chances[row] ?? 0, dark);
        context.fill();
        if (outcome === "bad") {
          // Not by colour alone: a bad exposure is crossed.
          context.strokeStyle = colour("--map-ground");
          context.lineWidth = 1.2;
          context.beginPath();
          context.moveTo(x - size * 0.6, y - size * 0.6);
          context.lineTo(x + size * 0.6, y + size * 0.6);
          context.stroke();
        }
        if (forbidden.has(name)) {
          context.strokeStyle = colour("--map-forbidden");
          context.lineWidth = 1.2;
          context.strokeRect(x - size, y - size, 2 * size, 2 * size);
        }
        if (selected.has(row)) {
          context.strokeStyle = colour("--map-selected");
          context.lineWidth = 2;
          context.beginPath();
          context.arc(x, y, size + 2, 0, 2 * Math.PI);
          context.stroke();
        }
      });
      if (replay === undefined) return;
      const path = replay.steps.slice(Math.max(0, step - 40), step + 1);
      context.strokeStyle = colour("--map-path");
      context.lineWidth = 1;
      context.beginPath();
      path.forEach(({ hole }, number) => {
        const [x, y] = at(hole);
        if (number === 0) context.moveTo(x, y);
        else context.lineTo(x, y);
      });
      context.stroke();
      const here = replay.steps[step];
      if (here !== undefined) {
        const [x, y] = at(here.hole);
        context.strokeStyle = colour("--map-selected");
        context.lineWidth = 2.5;
        context.beginPath();
        context.arc(x, y, size + 5, 0, 2 * Math.PI);
        context.stroke();
      }
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, [holes, replay, step, chances, forbidden, selected, outcomes, dark]);

  return (
    <canvas
      ref={canvas}
      className="session-map"
      role="img"
      aria-label={`${holes.hole_id.length} holes in ${holes.squares.length} squares; ${outcomes.size} exposed`}
      onClick={(event) => {
        const element = event.currentTarget;
        const { scale, left, top } = frameOf(holes, element.clientWidth, element.clientHeight);
        const x = (event.nativeEvent.offsetX - left) / scale;
        const y = (event.nativeEvent.offsetY - top) / scale;
        let best = -1;
        let nearest = 0.15 ** 2;
        holes.hole_id.forEach((_, row) => {
          const far = ((holes.x[row] ?? 0) - x) ** 2 + ((holes.y[row] ?? 0) - y) ** 2;
          if (far < nearest) [best, nearest] = [row, far];
        });
        if (best >= 0) onPick(best, event.shiftKey);
      }}
    />
  );
}
