/** Axes of plots: ranges that a few wild values do not spoil, round ticks, and which points lie inside what is drawn. */

export interface Axis {
  readonly low: number;
  readonly high: number;
}

const SHARE = 0.005;
const ROUND = [1, 2, 2.5, 5, 10];

/** From the lowest to the highest of nearly all values, with the given ones kept in view where they are not far off. */
export function rangeOf(values: Iterable<number>, keep: readonly (number | null)[] = [], from?: number): Axis {
  const known: number[] = [];
  for (const value of values) if (Number.isFinite(value)) known.push(value);
  const sorted = Float64Array.from(known).sort();
  if (sorted.length === 0) return { low: 0, high: 1 };
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  let low = from ?? at(SHARE);
  let high = at(1 - SHARE);
  const wide = high - low;
  const span = wide > 0 ? wide : Math.max(Math.abs(high), 1);
  for (const value of keep) {
    if (value === null) continue;
    if (value > high && value < high + span) high = value;
    if (value < low && value > low - span) low = value;
  }
  const room = Math.max(high - low, span * 0.1) * 0.06;
  return { low: from === undefined ? low - room : low, high: high + room };
}

/** Round numbers inside an axis, about as many as asked for. */
export function ticks({ low, high }: Axis, about: number): number[] {
  const step = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(step));
  const round = (ROUND.find((factor) => factor * power >= step) ?? 10) * power;
  const found: number[] = [];
  for (let tick = Math.ceil(low / round) * round; tick <= high + round * 1e-9; tick += round) found.push(Number(tick.toPrecision(12)));
  return found;
}

const MINUTE = 60_000;
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * MINUTE);

/** Round times of day inside an axis of milliseconds. */
export function timeTicks({ low, high }: Axis, about: number): number[] {
  const step = TIME_STEPS.find((one) => (high - low) / one <= about) ?? TIME_STEPS[TIME_STEPS.length - 1] ?? MINUTE;
  const offset = new Date(low).getTimezoneOffset() * MINUTE;
  const found: number[] = [];
  for (let tick = Math.ceil((low - offset) / step) * step + offset; tick <= high; tick += step) found.push(tick);
  return found;
}

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Whether a place is inside a closed line (even-odd rule). */
export function isInside({ x, y }: Place, line: readonly Place[]): boolean {
  let inside = false;
  for (let here = 0, before = line.length - 1; here < line.length; before = here, here += 1) {
    const a = line[here];
    const b = line[before];
    if (a === undefined || b === undefined) continue;
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}

/** Where a value lies on an axis, 0 to 1; what lies beyond lies at the end. */
export const shareOf = (value: number, { low, high }: Axis): number =>
  Math.min(1, Math.max(0, (value - low) / (high - low || 1)));

/** A limit on a plot that is `height` pixels high, all in pixels from its top. */
export interface LimitMark {
  /** Where its line lies; undefined where there is no limit, or none that the axis reaches. */
  readonly line: number | undefined;
  /** The middle of its label: beside the line, moved where that would leave the plot or lie on another label. */
  readonly label: number;
  /** Where the limit is, seen from an axis that does not reach it. */
  readonly beyond: "above" | "below" | undefined;
}

interface Limit {
  readonly side: "low" | "high";
  readonly value: number | null;
}

const LABEL_PX = 22;

/** Places of the one or two limits of an axis, in the order given. `edge`: pixels that the axis keeps free at its ends. */
export function limitMarks(limits: readonly Limit[], axis: Axis, height: number, edge: number): LimitMark[] {
  const at = (value: number) => height - edge - shareOf(value, axis) * (height - 2 * edge);
  const [first, last] = [LABEL_PX / 2, height - LABEL_PX / 2];
  const marks = limits.map(({ side, value }) => {
    const beyond = value === null ? undefined : value > axis.high ? ("above" as const) : value < axis.low ? ("below" as const) : undefined;
    const line = value === null || beyond !== undefined ? undefined : at(value);
    const wanted = line ?? (beyond === "above" || (beyond === undefined && side === "high") ? 0 : height);
    return { line, beyond, label: Math.min(Math.max(wanted, first), Math.max(first, last)) };
  });
  const [one, other] = marks;
  if (one === undefined || other === undefined || Math.abs(one.label - other.label) >= LABEL_PX) return marks;
  // The higher limit's label above, both as near to their lines as there is room.
  const middle = Math.min(Math.max((one.label + other.label) / 2, first + LABEL_PX / 2), Math.max(first, last) - LABEL_PX / 2);
  return marks.map((mark, place) => ({ ...mark, label: middle + (limits[place]?.side === "high" ? -1 : 1) * (LABEL_PX / 2) }));
}

/** A number with as many digits as a person would set a limit with. */
export const rounded = (value: number): number => Number(value.toPrecision(3));
