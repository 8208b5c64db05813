/** Indicators over the session, one below the other on the same axis. */
import { useMemo, useState } from "react";
import type { Limits } from "../api/client";
import { type Columns, TRENDS } from "../logic/exposures";
import { count } from "../logic/format";
import type { LimitEnd } from "../logic/judging";
import { shareOf, ticks, timeTicks } from "../logic/plotting";
import { Segmented, vars } from "./basics";
import { useKept } from "./preferences";
import { TrendPlot, type XAxis } from "./TrendPlot";
import type { Judged } from "./useExposureView";

interface Props {
  readonly columns: Columns;
  readonly judged: Judged;
  readonly held: Limits;
  readonly active: Uint8Array;
  readonly shown: Uint8Array;
  readonly row: number | undefined;
  readonly onPick: (row: number) => void;
  readonly onSelect: (rows: readonly number[]) => void;
  readonly onLimit: (end: LimitEnd, value: number | null) => void;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const EMPTY = new Float32Array();

export function Trends({ columns, judged, held, active, shown, row, onPick, onSelect, onLimit }: Props) {
  const [across, setAcross] = useKept("exposures.across", ["order", "time"], "order");
  const [hover, setHover] = useState<number>();
  const x = useMemo<XAxis>(() => {
    const values = across === "time" ? columns.times : Float64Array.from(columns.ids, (_, place) => place);
    return { values, low: values[0] ?? 0, high: values[values.length - 1] ?? 1 };
  }, [columns, across]);
  const { problematic } = judged.verdicts;
  const known = useMemo(
    () => new Set(TRENDS.filter(({ key }) => key === "problematic" || columns.numbers[key]?.some((value) => !Number.isNaN(value)) === true)),
    [columns],
  );
  const unknown = TRENDS.filter((one) => !known.has(one)).map(({ name }) => name.toLowerCase());
  const select = (from: number, to: number) => {
    const rows: number[] = [];
    x.values.forEach((value, one) => {
      if (value >= from && value <= to && shown[one] === 1) rows.push(one);
    });
    onSelect(rows);
  };
  // Exposures are counted from 1.
  const marks =
    across === "time"
      ? timeTicks(x, 7).map((tick) => ({ at: tick, text: clock.format(tick) }))
      : ticks({ low: 1, high: columns.ids.length }, 7)
          .filter(Number.isInteger)
          .map((tick) => ({ at: tick - 1, text: count(tick) }));
  return (
    <section className="panel trends" aria-label="Trends">
      <header>
        <h2>Session</h2>
        <ul className="plot-key">
          <li>
            <i className="standing fine" /> fine
          </li>
          <li>
            <i className="standing problem" /> problematic
          </li>
        </ul>
        <span className="muted hide-narrow">Drag a line to try a limit, drag across to select.</span>
        <Segmented
          label="Across"
          value={across}
          choices={[
            { value: "order", name: "Order" },
            { value: "time", name: "Time" },
          ]}
          onChange={setAcross}
        />
      </header>
      {TRENDS.filter((one) => known.has(one)).map((indicator) => (
        <TrendPlot
          key={indicator.key}
          columns={columns}
          indicator={indicator}
          x={x}
          values={indicator.key === "problematic" ? problematic : (columns.numbers[indicator.key] ?? EMPTY)}
          problematic={problematic}
          active={active}
          row={hover ?? row}
          held={held}
          limits={judged.limits ?? held}
          onHover={setHover}
          onPick={onPick}
          onSelect={select}
          onLimit={onLimit}
        />
      ))}
      <div className="trend-ticks num" aria-hidden="true">
        {marks.map(({ at, text }) => (
          <span key={at} style={vars({ "--at": shareOf(at, x) })}>
            {text}
          </span>
        ))}
      </div>
      {unknown.length > 0 && <p className="muted unknown">Not measured in this session: {unknown.join(", ")}.</p>}
    </section>
  );
}
