/** One indicator over the session, with its limits as lines that can be dragged. */
import { useCallback, useMemo, useRef, useState } from "react";
import type { Limits } from "../api/client";
import { type Columns, type Indicator, unitAt, valueText } from "../logic/exposures";
import { type LimitEnd, limitAt, sideOf } from "../logic/judging";
import { type Axis, type LimitMark, limitMarks, rangeOf, rounded, shareOf, ticks } from "../logic/plotting";
import { vars } from "./basics";
import { below, drawPoints } from "./drawPoints";
import { type Drawing, PlotCanvas } from "./PlotCanvas";

/** Pixels between the outermost points and the edges of the plot. */
const EDGE = 6;
/** Left of the plot: the numbers of its axis. As in the style sheet. */
const GUTTER = 36;
const CLICK_PX = 4;

export interface XAxis extends Axis {
  /** Where each row lies: its number, or its time. Never falls. */
  readonly values: Float64Array;
}

interface Props {
  readonly columns: Columns;
  readonly indicator: Indicator;
  readonly x: XAxis;
  readonly values: Float32Array;
  readonly problematic: Float32Array;
  readonly active: Uint8Array;
  readonly row: number | undefined;
  /** The limits that hold, which the axis keeps in view, and those that are tried out. */
  readonly held: Limits;
  readonly limits: Limits;
  readonly onHover: (row: number | undefined) => void;
  readonly onPick: (row: number) => void;
  readonly onSelect: (from: number, to: number) => void;
  readonly onLimit: (end: LimitEnd, value: number | null) => void;
}

/** The row nearest to a place on the axis. */
function nearest({ values }: XAxis, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  const before = values[low - 1];
  return before !== undefined && wanted - before < (values[low] ?? Infinity) - wanted ? low - 1 : low;
}

export function TrendPlot(props: Props) {
  const { columns, indicator, x, values, problematic, active, row, held, limits, onLimit } = props;
  const plot = useRef<HTMLDivElement>(null);
  const start = useRef<number>(undefined);
  const [height, setHeight] = useState(0);
  const onSize = useCallback((_: number, high: number) => {
    setHeight(high);
  }, []);
  const [brush, setBrush] = useState<readonly [number, number]>();
  const axis = useMemo<Axis>(() => {
    if (indicator.key === "problematic") return { low: 0, high: 1 };
    const fromZero = !["defocus_um", "ctf_resolution_angstrom"].includes(indicator.key);
    return rangeOf(values, indicator.limits.map((end) => limitAt(held, end)), ...(fromZero ? [0] : []));
  }, [indicator, values, held]);

  const draw = useCallback(
    (drawing: Drawing) => {
      const { context, width, height, colour, font } = drawing;
      const bottom = height - EDGE;
      const at = (value: number) => bottom - shareOf(value, axis) * (height - 2 * EDGE);
      const wide = (width - GUTTER - 2 * EDGE) / (x.high - x.low || 1);
      drawPoints(drawing, {
        count: values.length,
        x: (one) => GUTTER + EDGE + ((x.values[one] ?? 0) - x.low) * wide,
        y: (one) => at(values[one] ?? NaN),
        active,
        problematic,
      });
      const lines = ticks(axis, height / 34).map((tick) => ({ tick, y: Math.round(at(tick)) + 0.5 }));
      below(context, () => {
        context.strokeStyle = colour("--plot-grid");
        context.lineWidth = 1;
        context.beginPath();
        for (const { y } of lines) {
          context.moveTo(GUTTER, y);
          context.lineTo(width, y);
        }
        context.stroke();
      });
      context.font = font;
      context.fillStyle = colour("--plot-text");
      context.textAlign = "right";
      context.textBaseline = "middle";
      for (const { tick, y } of lines) {
        const text = indicator.key === "problematic" ? `${Math.round(tick * 100)}` : `${tick}`;
        context.fillText(text, GUTTER - 6, Math.min(Math.max(y, EDGE), bottom));
      }
    },
    [axis, x, values, active, problematic, indicator],
  );

  const shareAt = (clientX: number): number => {
    const box = plot.current?.getBoundingClientRect();
    return box === undefined ? 0 : Math.min(1, Math.max(0, (clientX - box.left - GUTTER - EDGE) / (box.width - GUTTER - 2 * EDGE)));
  };
  const valueAt = (share: number) => x.low + share * (x.high - x.low);
  const place = row === undefined ? undefined : shareOf(x.values[row] ?? 0, x);
  const shownValue = row === undefined ? NaN : (values[row] ?? NaN);
  const ends = indicator.limits.map((end) => ({ end, side: sideOf(end), value: limitAt(limits, end), held: limitAt(held, end) }));
  const placed = limitMarks(ends, axis, height, EDGE);
  const before = limitMarks(ends.map(({ side, held: value }) => ({ side, value })), axis, height, EDGE);

  return (
    <div className="trend">
      <div className="trend-label">
        <strong>{indicator.name}</strong>
        <span className="num">
          {row === undefined ? "" : valueText(indicator, shownValue)} <span className="muted">{unitAt(indicator, shownValue)}</span>
        </span>
      </div>
      <div
        ref={plot}
        className="trend-plot"
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = event.clientX;
        }}
        onPointerMove={(event) => {
          const from = start.current;
          if (from !== undefined && Math.abs(event.clientX - from) >= CLICK_PX) {
            setBrush([shareAt(Math.min(from, event.clientX)), shareAt(Math.max(from, event.clientX))]);
          } else props.onHover(values.length === 0 ? undefined : nearest(x, valueAt(shareAt(event.clientX))));
        }}
        onPointerUp={(event) => {
          if (start.current === undefined) return;
          start.current = undefined;
          if (brush !== undefined) props.onSelect(valueAt(brush[0]), valueAt(brush[1]));
          else if (values.length > 0) props.onPick(nearest(x, valueAt(shareAt(event.clientX))));
          setBrush(undefined);
        }}
        onPointerCancel={() => {
          start.current = undefined;
          setBrush(undefined);
        }}
        onPointerLeave={() => {
          props.onHover(undefined);
        }}
      >
        <PlotCanvas className="plot" draw={draw} onSize={onSize} label={`${indicator.name} of ${columns.ids.length} exposures`} />
        {brush !== undefined && <i className="brush" style={vars({ "--from": brush[0], "--to": brush[1] })} />}
        {place !== undefined && <i className="here" style={vars({ "--at": place })} />}
        {ends.map(({ side, value, held: old }, place) => (
          <Lines key={side} line={placed[place]?.line} before={value === old ? undefined : before[place]?.line} moved={value !== old} />
        ))}
      </div>
      <div className="trend-limits">
        {ends.map(({ end, side, value, held: old }, place) => {
          const mark = placed[place];
          if (mark === undefined) return null;
          return (
            <LimitHandle
              key={side}
              end={end}
              indicator={indicator}
              axis={axis}
              value={value}
              moved={value !== old}
              mark={mark}
              plot={plot}
              onLimit={onLimit}
            />
          );
        })}
      </div>
    </div>
  );
}

/** A limit across the plot; and, while another is tried, where the one that holds was. */
function Lines({ line, before, moved }: { line: number | undefined; before: number | undefined; moved: boolean }) {
  return (
    <>
      {before !== undefined && <i className="limit-line before" style={vars({ "--y": before })} />}
      {line !== undefined && <i className={moved ? "limit-line moved" : "limit-line"} style={vars({ "--y": line })} />}
    </>
  );
}

interface HandleProps {
  readonly end: LimitEnd;
  readonly indicator: Indicator;
  readonly axis: Axis;
  readonly value: number | null;
  readonly moved: boolean;
  readonly mark: LimitMark;
  readonly plot: React.RefObject<HTMLDivElement | null>;
  readonly onLimit: Props["onLimit"];
}

const ARROWS = { above: "↑ ", below: "↓ " } as const;
/** A press that moves less leaves a limit where it is. */
const DRAG_PX = 2;

function LimitHandle({ end, indicator, axis, value, moved, mark, plot, onLimit }: HandleProps) {
  const grab = useRef<{ readonly from: number; readonly offset: number; dragging: boolean }>(undefined);
  const side = sideOf(end);
  const edge = side === "high" ? axis.high : axis.low;
  const sign = side === "high" ? "≤" : "≥";
  const { beyond } = mark;
  const text = value === null ? "no limit" : `${sign} ${Number(value.toPrecision(4))}`;
  const name = `${side === "high" ? "Highest" : "Lowest"} ${indicator.name.replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase())}`;
  const said = `${text} ${value === null ? "" : indicator.unit}`.trim() + (beyond === undefined ? "" : `, ${beyond} what the plot shows`);
  const set = (next: number) => {
    // Every limit is above 0.
    onLimit(end, Math.max(rounded(next), rounded((axis.high - axis.low) / 1000)));
  };
  const release = () => {
    grab.current = undefined;
  };
  return (
    <div className={`limit ${side}${value === null ? " none" : ""}${moved ? " moved" : ""}`}>
      {mark.line !== undefined && (
        <svg className="limit-link" aria-hidden="true">
          <line x1={0} y1={mark.line} x2={10} y2={mark.label} />
        </svg>
      )}
      <div
        role="slider"
        tabIndex={0}
        className="limit-handle num"
        style={vars({ "--y": mark.label })}
        aria-label={name}
        aria-orientation="vertical"
        aria-valuenow={value ?? edge}
        aria-valuetext={said}
        title={`${name}: ${said}. Drag, or use the arrow keys; Delete removes it`}
        onPointerDown={(event) => {
          event.preventDefault();
          event.currentTarget.focus();
          event.currentTarget.setPointerCapture(event.pointerId);
          grab.current = { from: event.clientY, offset: event.clientY - (mark.line ?? mark.label), dragging: false };
        }}
        onPointerMove={(event) => {
          const [held, box] = [grab.current, plot.current?.getBoundingClientRect()];
          if (held === undefined || box === undefined) return;
          held.dragging ||= Math.abs(event.clientY - held.from) >= DRAG_PX;
          if (!held.dragging) return;
          const share = (box.height - EDGE - (event.clientY - held.offset)) / (box.height - 2 * EDGE);
          set(axis.low + share * (axis.high - axis.low));
        }}
        onPointerUp={release}
        onPointerCancel={release}
        onKeyDown={(event) => {
          const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
          if (event.key === "Delete" || event.key === "Backspace") onLimit(end, null);
          else if (step !== undefined) {
            // What lies beyond the plot steps into it first.
            const inward = (beyond === "above" && step < 0) || (beyond === "below" && step > 0);
            const from = value === null ? edge : inward ? (beyond === "above" ? axis.high : axis.low) : value;
            set(from + (step * (axis.high - axis.low)) / 100);
          } else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      >
        {beyond !== undefined && <span aria-hidden="true">{ARROWS[beyond]}</span>}
        {text}
      </div>
    </div>
  );
}
