/** Any two indicators against each other; a rectangle or a lasso selects. */
import { useCallback, useMemo, useRef, useState } from "react";
import type { Limits } from "../api/client";
import { type Columns, INDICATORS, type Indicator, indicatorOf } from "../logic/exposures";
import { limitAt } from "../logic/judging";
import { type Axis, isInside, type Place, rangeOf, shareOf, ticks } from "../logic/plotting";
import { Segmented } from "./basics";
import { below, drawPoints, writeOver } from "./drawPoints";
import { type Drawing, PlotCanvas } from "./PlotCanvas";
import { useKept } from "./preferences";

const LEFT = 34;
const BOTTOM = 20;
const EDGE = 8;
const CLICK_PX = 4;
const NEAR_PX = 12;
const UNKNOWN = new Float32Array();

interface Props {
  readonly columns: Columns;
  readonly problematic: Float32Array;
  /** By which `problematic` is told: lines, where the axes reach them. */
  readonly limits: Limits;
  readonly active: Uint8Array;
  readonly shown: Uint8Array;
  readonly row: number | undefined;
  readonly onPick: (row: number) => void;
  readonly onSelect: (rows: readonly number[], add: boolean) => void;
}

interface Frame {
  readonly width: number;
  readonly height: number;
}

const inside = (value: number, axis: Axis, from: number, to: number) => from + shareOf(value, axis) * (to - from);

export function ScatterPlot(props: Props) {
  const { columns, problematic, limits, active, shown, row } = props;
  const keys = INDICATORS.map(({ key }) => key);
  const [across, setAcross] = useKept("exposures.x", keys, isUnknown(columns.numbers.ice_nm) ? "defocus_um" : "ice_nm");
  const [up, setUp] = useKept("exposures.y", keys, "ctf_resolution_angstrom");
  const [tool, setTool] = useKept("exposures.tool", ["box", "lasso"], "box");
  const [line, setLine] = useState<readonly Place[]>([]);
  const start = useRef<Place>(undefined);
  const frame = useRef<Frame>({ width: 1, height: 1 });
  const valuesOf = (key: string) => (key === "problematic" ? problematic : (columns.numbers[key] ?? UNKNOWN));
  const [xs, ys] = [valuesOf(across), valuesOf(up)];
  const unknown = INDICATORS.filter(({ key }) => (key === across || key === up) && isUnknown(columns.numbers[key])).map(
    ({ name }) => name,
  );
  const xAxis = useMemo(() => rangeOf(xs), [xs]);
  const yAxis = useMemo(() => rangeOf(ys), [ys]);

  const draw = useCallback(
    (drawing: Drawing) => {
      const { context, width, height, colour, font } = drawing;
      frame.current = { width, height };
      const at = (one: number) => placeOf(xs[one] ?? NaN, ys[one] ?? NaN, xAxis, yAxis, { width, height });
      drawPoints(drawing, { count: xs.length, x: (one) => at(one).x, y: (one) => at(one).y, active, problematic });
      const sideways = ticks(xAxis, width / 64).map((tick) => ({
        tick,
        x: Math.round(inside(tick, xAxis, LEFT, width - EDGE)) + 0.5,
      }));
      const upward = ticks(yAxis, height / 40).map((tick) => ({
        tick,
        y: Math.round(inside(tick, yAxis, height - BOTTOM, EDGE)) + 0.5,
      }));
      below(context, () => {
        context.strokeStyle = colour("--plot-grid");
        context.lineWidth = 1;
        context.beginPath();
        for (const { x } of sideways) {
          context.moveTo(x, EDGE);
          context.lineTo(x, height - BOTTOM);
        }
        for (const { y } of upward) {
          context.moveTo(LEFT, y);
          context.lineTo(width - EDGE, y);
        }
        context.stroke();
        context.strokeStyle = colour("--plot-text");
        context.setLineDash([4, 3]);
        context.beginPath();
        for (const x of limitsOn(limits, across, xAxis).map((value) => inside(value, xAxis, LEFT, width - EDGE))) {
          context.moveTo(x, EDGE);
          context.lineTo(x, height - BOTTOM);
        }
        for (const y of limitsOn(limits, up, yAxis).map((value) => inside(value, yAxis, height - BOTTOM, EDGE))) {
          context.moveTo(LEFT, y);
          context.lineTo(width - EDGE, y);
        }
        context.stroke();
        context.setLineDash([]);
      });
      context.font = font;
      context.textAlign = "center";
      for (const { tick, x } of sideways) writeOver(drawing, `${tick}`, x, height - 7);
      context.textAlign = "right";
      for (const { tick, y } of upward) writeOver(drawing, `${tick}`, LEFT - 4, y + 3);
      context.textAlign = "left";
    },
    [xs, ys, xAxis, yAxis, active, problematic, limits, across, up],
  );
  const drawOver = useCallback(
    ({ context, width, height, colour }: Drawing) => {
      if (row !== undefined) {
        const { x, y } = placeOf(xs[row] ?? NaN, ys[row] ?? NaN, xAxis, yAxis, { width, height });
        context.strokeStyle = colour("--plot-here");
        context.lineWidth = 1.5;
        context.beginPath();
        context.arc(x, y, 6, 0, 2 * Math.PI);
        context.stroke();
      }
      if (line.length < 2) return;
      context.strokeStyle = colour("--plot-here");
      context.fillStyle = colour("--plot-brush");
      context.lineWidth = 1;
      context.beginPath();
      for (const { x, y } of line) context.lineTo(x, y);
      context.closePath();
      context.fill();
      context.stroke();
    },
    [row, line, xs, ys, xAxis, yAxis],
  );

  const finish = (end: Place, add: boolean) => {
    const from = start.current;
    start.current = undefined;
    setLine([]);
    if (from === undefined) return;
    const at = (one: number) => placeOf(xs[one] ?? NaN, ys[one] ?? NaN, xAxis, yAxis, frame.current);
    if (line.length < 2) {
      let best: number | undefined;
      let far = NEAR_PX;
      for (let one = 0; one < xs.length; one += 1) {
        const place = at(one);
        const distance = Math.hypot(place.x - end.x, place.y - end.y);
        if (shown[one] === 1 && distance < far) [best, far] = [one, distance];
      }
      if (best !== undefined) props.onPick(best);
      return;
    }
    const rows: number[] = [];
    for (let one = 0; one < xs.length; one += 1) if (shown[one] === 1 && isInside(at(one), line)) rows.push(one);
    props.onSelect(rows, add);
  };

  return (
    <section className="panel scatter" aria-label="Scatter plot">
      <div className="scatter-tools">
        <Choice label="Across" value={across} onChange={setAcross} />
        <Choice label="Up" value={up} onChange={setUp} />
        <Segmented
          label="Select with"
          value={tool}
          choices={[
            { value: "box", name: "Box", title: "Drag a rectangle; Shift adds" },
            { value: "lasso", name: "Lasso", title: "Draw around points; Shift adds" },
          ]}
          onChange={(value) => {
            setTool(value);
          }}
        />
      </div>
      <div
        className="scatter-plot"
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = { x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY };
        }}
        onPointerMove={(event) => {
          const from = start.current;
          if (from === undefined) return;
          const { offsetX: x, offsetY: y } = event.nativeEvent;
          if (line.length === 0 && Math.hypot(x - from.x, y - from.y) < CLICK_PX) return;
          if (tool === "box") setLine([from, { x, y: from.y }, { x, y }, { x: from.x, y }]);
          else setLine((before) => [...(before.length === 0 ? [from] : before), { x, y }]);
        }}
        onPointerUp={(event) => {
          finish({ x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY }, event.shiftKey);
        }}
        onPointerCancel={() => {
          start.current = undefined;
          setLine([]);
        }}
      >
        <PlotCanvas className="plot" draw={draw} label={`${columns.ids.length} exposures, two indicators against each other`} />
        <PlotCanvas className="plot over" draw={drawOver} label="Selection" />
      </div>
      {unknown.length > 0 && <p className="muted unknown">Not measured in this session: {unknown.join(", ")}.</p>}
    </section>
  );
}

/** The limits of an indicator that its axis reaches. */
const limitsOn = (limits: Limits, key: string, { low, high }: Axis): number[] =>
  (indicatorOf(key)?.limits ?? [])
    .map((end) => limitAt(limits, end))
    .filter((value): value is number => value !== null && value > low && value < high);

/** Whether there are exposures and none has a value. */
const isUnknown = (values: Float32Array | undefined) =>
  values !== undefined && values.length > 0 && values.every((value) => Number.isNaN(value));

/** Where a pair of values lies on the canvas; NaN where one is not known. */
function placeOf(x: number, y: number, xAxis: Axis, yAxis: Axis, { width, height }: Frame): Place {
  return { x: inside(x, xAxis, LEFT, width - EDGE), y: inside(y, yAxis, height - BOTTOM, EDGE) };
}

function Choice(props: { label: string; value: string; onChange: (value: string) => void }) {
  const unit = ({ unit: of }: Indicator) => (of === "" ? "" : ` (${of})`);
  return (
    <label className="labelled">
      <span className="muted">{props.label}</span>
      <select
        className="field"
        value={props.value}
        onChange={(event) => {
          props.onChange(event.target.value);
        }}
      >
        {INDICATORS.map((one) => (
          <option key={one.key} value={one.key}>
            {one.name}
            {unit(one)}
          </option>
        ))}
      </select>
    </label>
  );
}
