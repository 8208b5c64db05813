/** A session's exposures as columns: decoding, bringing up to date, filtering, sorting; nothing here draws. */
import type { ExposureColumns } from "../api/client";
import type { LimitEnd } from "./judging";

export const FAILED = 1;
export const FILM = 2;
export const CRYSTALLINE = 4;
export const PICTURE = 8;
export const POWER = 16;
export const LEAST_ICE = 32;

export const TEXTS = ["grid", "square", "condition"] as const;
export type TextName = (typeof TEXTS)[number];

export interface Text {
  readonly names: readonly string[];
  /** Each row's place among the names; -1 for none. */
  readonly places: Int32Array;
}

export interface Columns {
  readonly cursor: string;
  readonly ids: readonly number[];
  readonly names: readonly string[];
  /** NaN where not known, infinite where no rings are seen. */
  readonly numbers: Readonly<Record<string, Float32Array>>;
  /** Milliseconds since 1970; never falls. */
  readonly times: Float64Array;
  readonly flags: Uint8Array;
  readonly texts: Readonly<Record<TextName, Text>>;
  readonly failures: ReadonlyMap<number, string>;
  readonly rowOf: ReadonlyMap<number, number>;
}

const bytes = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const floats = (base64: string): Float32Array => new Float32Array(bytes(base64).buffer);

const rowsById = (ids: readonly number[]): Map<number, number> => new Map(ids.map((id, row) => [id, row]));

export function decodeColumns(sent: ExposureColumns): Columns {
  const origin = new Date(sent.origin).getTime();
  const text = (name: TextName): Text => ({
    names: sent.texts[name]?.names ?? [],
    places: new Int32Array(bytes(sent.texts[name]?.places ?? "").buffer),
  });
  return {
    cursor: sent.cursor,
    ids: sent.ids,
    names: sent.names,
    numbers: Object.fromEntries(Object.entries(sent.numbers).map(([name, table]) => [name, floats(table)])),
    times: Float64Array.from(floats(sent.times), (seconds) => origin + seconds * 1000),
    flags: bytes(sent.flags),
    texts: { grid: text("grid"), square: text("square"), condition: text("condition") },
    failures: new Map(Object.entries(sent.failures).map(([id, reason]) => [Number(id), reason])),
    rowOf: rowsById(sent.ids),
  };
}

function mergeText(old: Text, fresh: Text, take: (get: (from: 0 | 1, row: number) => number) => Int32Array): Text {
  const names = [...old.names];
  const known = new Map(names.map((name, place) => [name, place]));
  const moved = fresh.names.map((name) => {
    const place = known.get(name);
    if (place !== undefined) return place;
    names.push(name);
    return names.length - 1;
  });
  const places = take((from, row) => {
    if (from === 0) return old.places[row] ?? -1;
    const place = fresh.places[row] ?? -1;
    return place < 0 ? -1 : (moved[place] ?? -1);
  });
  return { names, places };
}

/** Old rows with those that are new or have changed put in, in the order of time. */
export function merged(old: Columns, fresh: Columns): Columns {
  if (fresh.ids.length === 0) return { ...old, cursor: fresh.cursor };
  const order: { from: 0 | 1; row: number; time: number; id: number }[] = [];
  old.ids.forEach((id, row) => {
    if (!fresh.rowOf.has(id)) order.push({ from: 0, row, time: old.times[row] ?? 0, id });
  });
  fresh.ids.forEach((id, row) => order.push({ from: 1, row, time: fresh.times[row] ?? 0, id }));
  order.sort((a, b) => a.time - b.time || a.id - b.id);
  const sides = [old, fresh] as const;
  const numbers: Record<string, Float32Array> = {};
  for (const name of Object.keys(fresh.numbers)) {
    numbers[name] = Float32Array.from(order, ({ from, row }) => sides[from].numbers[name]?.[row] ?? NaN);
  }
  const text = (name: TextName) =>
    mergeText(old.texts[name], fresh.texts[name], (get) => Int32Array.from(order, ({ from, row }) => get(from, row)));
  const ids = order.map(({ id }) => id);
  const failures = new Map(old.failures);
  for (const id of fresh.ids) failures.delete(id);
  for (const [id, reason] of fresh.failures) failures.set(id, reason);
  return {
    cursor: fresh.cursor,
    ids,
    names: order.map(({ from, row }) => sides[from].names[row] ?? ""),
    numbers,
    times: Float64Array.from(order, ({ time }) => time),
    flags: Uint8Array.from(order, ({ from, row }) => sides[from].flags[row] ?? 0),
    texts: { grid: text("grid"), square: text("square"), condition: text("condition") },
    failures,
    rowOf: rowsById(ids),
  };
}

export const textAt = (columns: Columns, name: TextName, row: number): string | undefined =>
  columns.texts[name].names[columns.texts[name].places[row] ?? -1];

export const valueAt = (columns: Columns, name: string, row: number): number => columns.numbers[name]?.[row] ?? NaN;

export interface Indicator {
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  /** What can be dragged on its plot. */
  readonly limits: readonly LimitEnd[];
}

const only = (limit: Extract<LimitEnd, { end: "only" }>["limit"], side: "low" | "high" = "high"): LimitEnd => ({ limit, end: "only", side });
const range = (limit: Extract<LimitEnd, { end: "low" | "high" }>["limit"]): LimitEnd[] => [
  { limit, end: "low" },
  { limit, end: "high" },
];

/** What can be plotted against what; limits are in the units of the plot. */
export const INDICATORS: readonly Indicator[] = [
  { key: "total_motion_angstrom", name: "Motion", unit: "Å", digits: 1, limits: [only("most_total_motion_angstrom")] },
  { key: "defocus_um", name: "Defocus", unit: "µm", digits: 2, limits: range("defocus_um") },
  { key: "ctf_resolution_angstrom", name: "CTF fit to", unit: "Å", digits: 2, limits: [only("most_ctf_resolution_angstrom")] },
  { key: "ice_nm", name: "Ice", unit: "nm", digits: 0, limits: range("ice_nm") },
  { key: "particles_per_um2", name: "Particles", unit: "per µm²", digits: 0, limits: range("particles_per_um2") },
  { key: "problematic", name: "Problem", unit: "%", digits: 0, limits: [] },
  { key: "early_motion_angstrom", name: "Early motion", unit: "Å", digits: 1, limits: [only("most_early_motion_angstrom")] },
  { key: "late_motion_angstrom", name: "Late motion", unit: "Å", digits: 1, limits: [] },
  { key: "astigmatism_um", name: "Astigmatism", unit: "µm", digits: 3, limits: [only("most_astigmatism_um")] },
  { key: "ctf_confidence", name: "CTF confidence", unit: "", digits: 2, limits: [only("least_ctf_confidence", "low")] },
  { key: "tilt_deg", name: "Tilt", unit: "°", digits: 1, limits: [only("most_tilt_deg")] },
  { key: "particle_overlap", name: "Overlapping particles", unit: "", digits: 2, limits: [only("most_particle_overlap")] },
  { key: "empty_fraction", name: "Empty share", unit: "", digits: 2, limits: [only("most_empty_fraction")] },
  { key: "ice_relative", name: "Ice, relative", unit: "mfp", digits: 2, limits: [] },
  { key: "poor_condition", name: "Poor condition", unit: "", digits: 2, limits: [] },
  { key: "dose_e_per_angstrom2", name: "Dose", unit: "e/Å²", digits: 1, limits: [] },
  { key: "seconds", name: "Processing", unit: "s", digits: 1, limits: [] },
];

export const TRENDS = INDICATORS.slice(0, 6);
export const indicatorOf = (key: string): Indicator | undefined => INDICATORS.find((one) => one.key === key);

const CAUSE_NAMES: Readonly<Record<string, string>> = {
  total_motion_angstrom: "motion",
  early_motion_angstrom: "early motion",
  defocus_um: "defocus",
  astigmatism_um: "astigmatism",
  ctf_resolution_angstrom: "CTF resolution",
  ctf_confidence: "no clear rings",
  ice_nm: "ice thickness",
  crystalline_ice: "crystalline ice",
  film_poses: "rings of the film",
  tilt_deg: "tilt",
  particles_per_um2: "particle density",
  particle_overlap: "overlapping particles",
  empty_fraction: "empty",
  poor_condition: "condition",
};
export const causeName = (indicator: string): string => CAUSE_NAMES[indicator] ?? indicator.replaceAll("_", " ");

/** `3.42`, `no rings`, or a dash where nothing is known. */
export function valueText(indicator: Indicator, value: number): string {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "no rings";
  if (indicator.key === "problematic") return `${Math.round(value * 100)}`;
  return value.toFixed(indicator.digits);
}

/** The unit behind `valueText`; none behind `no rings` and what is not known. */
export const unitAt = (indicator: Indicator, value: number): string => (Number.isFinite(value) ? indicator.unit : "");

/** Why an exposure failed, without the path of its movie in front: its name stands beside it. */
export function failureWords(name: string, reason: string): string {
  const place = reason.indexOf(`${name}.`);
  const ending = place < 0 || !/^$|[/\\]$/.test(reason.slice(0, place)) ? null : /^\.\w+(:?)\s+/.exec(reason.slice(place + name.length));
  if (ending === null) return reason;
  const rest = reason.slice(place + name.length + ending[0].length);
  return ending[1] === ":" ? rest : `The movie ${rest}`;
}

export type Kind = "all" | "fine" | "problematic" | "failed" | "marked";
export interface Filter {
  readonly kind: Kind;
  readonly square: string | undefined;
  readonly grid: string | undefined;
  readonly search: string;
}

/** 1 for each row that a filter lets through. */
export function passing(columns: Columns, problematic: Float32Array, marks: ReadonlyMap<number, unknown>, filter: Filter): Uint8Array {
  const search = filter.search.trim().toLowerCase();
  const { square, grid } = columns.texts;
  const wantedSquare = filter.square === undefined ? -2 : square.names.indexOf(filter.square);
  const wantedGrid = filter.grid === undefined ? -2 : grid.names.indexOf(filter.grid);
  return Uint8Array.from(columns.ids, (id, row) => {
    const failed = ((columns.flags[row] ?? 0) & FAILED) !== 0;
    const bad = (problematic[row] ?? NaN) >= 0.5;
    const kind =
      filter.kind === "all" ||
      (filter.kind === "failed" && failed) ||
      (filter.kind === "problematic" && !failed && bad) ||
      (filter.kind === "fine" && !failed && !bad) ||
      (filter.kind === "marked" && marks.has(id));
    if (!kind || (wantedSquare !== -2 && square.places[row] !== wantedSquare)) return 0;
    if (wantedGrid !== -2 && grid.places[row] !== wantedGrid) return 0;
    return search === "" || (columns.names[row] ?? "").toLowerCase().includes(search) ? 1 : 0;
  });
}

export interface Sorting {
  /** `time`, `name`, `square`, `condition`, or an indicator. */
  readonly by: string;
  readonly descending: boolean;
}

/** Rows in an order; what is not known comes last either way. */
export function sorted(columns: Columns, problematic: Float32Array, rows: readonly number[], { by, descending }: Sorting): number[] {
  const sign = descending ? -1 : 1;
  const found = [...rows];
  if (by === "name" || by === "square" || by === "condition") {
    const of = (row: number) => (by === "name" ? columns.names[row] : textAt(columns, by, row));
    return found.sort((a, b) => {
      const [one, other] = [of(a), of(b)];
      if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined) || a - b;
      return sign * one.localeCompare(other, "en", { numeric: true }) || a - b;
    });
  }
  // Rows are in the order of time, those of one moment included.
  if (by === "time") return found.sort((a, b) => sign * (a - b));
  const values = by === "problematic" ? problematic : columns.numbers[by];
  return found.sort((a, b) => {
    const one = values?.[a] ?? NaN;
    const other = values?.[b] ?? NaN;
    if (Number.isNaN(one) || Number.isNaN(other)) return Number(Number.isNaN(one)) - Number(Number.isNaN(other)) || a - b;
    return one === other ? a - b : sign * (one < other ? -1 : 1);
  });
}
