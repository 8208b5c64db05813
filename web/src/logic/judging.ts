/**
 * How exposures are judged, as the server does it (`micrographs/judging/indicators.py`), for thousands at once: so that a
 * limit that is dragged shows what it does before it is set. `judging.cases.json` holds both to the same numbers.
 */
import type { Limits } from "../api/client";
import { CRYSTALLINE, FAILED, FILM, LEAST_ICE, type Columns } from "./exposures";

const SOFTNESS = 0.03;
const SURE = 0.98;
/** From this probability an exposure counts as problematic. */
export const PROBLEMATIC = 0.5;

export interface Verdicts {
  /** Probability of a problem; NaN where an exposure failed. */
  readonly problematic: Float32Array;
  /** Place in `CAUSES` of the likeliest problem, -1 where nothing is likely. */
  readonly why: Int8Array;
}

const odds = (excess: number): number => 1 / (1 + Math.exp(-Math.min(Math.max(excess / SOFTNESS, -60), 60)));

type Numbers = Columns["numbers"];
interface Cause {
  readonly indicator: string;
  /** Probability of a problem of row `row`; 0 where nothing is known. */
  readonly of: (row: number) => number;
}

function above(indicator: string, values: Float32Array | undefined, limit: number | null): Cause[] {
  if (values === undefined || limit === null) return [];
  return [
    {
      indicator,
      of: (row) => {
        const value = values[row] ?? NaN;
        return Number.isNaN(value) ? 0 : odds(value / limit - 1);
      },
    },
  ];
}

function below(indicator: string, values: Float32Array | undefined, limit: number | null): Cause[] {
  if (values === undefined || limit === null) return [];
  return [
    {
      indicator,
      of: (row) => {
        const value = values[row] ?? NaN;
        return Number.isNaN(value) ? 0 : odds(1 - value / limit);
      },
    },
  ];
}

type Pair = readonly [number | null, number | null];
const between = (indicator: string, values: Float32Array | undefined, [low, high]: Pair): Cause[] => [
  ...below(indicator, values, low),
  ...above(indicator, values, high),
];

function flagged(indicator: string, flags: Uint8Array, bit: number, allowed: boolean): Cause[] {
  return allowed ? [] : [{ indicator, of: (row) => (((flags[row] ?? 0) & bit) === 0 ? 0 : SURE) }];
}

function causes(numbers: Numbers, flags: Uint8Array, limits: Limits): readonly Cause[] {
  const confidence = numbers.ctf_confidence;
  const least = limits.least_ctf_confidence;
  const poor = numbers.poor_condition;
  return [
    ...above("total_motion_angstrom", numbers.total_motion_angstrom, limits.most_total_motion_angstrom),
    ...above("early_motion_angstrom", numbers.early_motion_angstrom, limits.most_early_motion_angstrom),
    ...between("defocus_um", numbers.defocus_um, limits.defocus_um),
    ...above("astigmatism_um", numbers.astigmatism_um, limits.most_astigmatism_um),
    ...above("ctf_resolution_angstrom", numbers.ctf_resolution_angstrom, limits.most_ctf_resolution_angstrom),
    ...(confidence === undefined || least === null
      ? []
      : [
          {
            indicator: "ctf_confidence",
            of: (row: number) => {
              const value = confidence[row] ?? NaN;
              return value < least ? 1 - value : 0;
            },
          },
        ]),
    // Against the thinnest ice of the session only a least thickness is known.
    ...below("ice_nm", numbers.ice_nm, limits.ice_nm[0]).map(({ indicator, of }) => ({
      indicator,
      of: (row: number) => (((flags[row] ?? 0) & LEAST_ICE) === 0 ? of(row) : 0),
    })),
    ...above("ice_nm", numbers.ice_nm, limits.ice_nm[1]),
    ...flagged("crystalline_ice", flags, CRYSTALLINE, limits.crystalline_ice_allowed),
    ...flagged("film_poses", flags, FILM, limits.film_posing_allowed),
    ...above("tilt_deg", numbers.tilt_deg, limits.most_tilt_deg),
    ...between("particles_per_um2", numbers.particles_per_um2, limits.particles_per_um2),
    ...above("particle_overlap", numbers.particle_overlap, limits.most_particle_overlap),
    ...above("empty_fraction", numbers.empty_fraction, limits.most_empty_fraction),
    ...(poor === undefined || limits.poor_condition_allowed
      ? []
      : [{ indicator: "poor_condition", of: (row: number) => (Number.isNaN(poor[row] ?? NaN) ? 0 : (poor[row] ?? 0)) }]),
  ];
}

/** What can be a cause, in the order of `Verdicts.why`. */
export const CAUSES = [
  "total_motion_angstrom",
  "early_motion_angstrom",
  "defocus_um",
  "astigmatism_um",
  "ctf_resolution_angstrom",
  "ctf_confidence",
  "ice_nm",
  "crystalline_ice",
  "film_poses",
  "tilt_deg",
  "particles_per_um2",
  "particle_overlap",
  "empty_fraction",
  "poor_condition",
] as const;

const TOLD_FROM = 0.3;

/** Every exposure judged by some limits. */
export function judgeAll(columns: Pick<Columns, "numbers" | "flags">, limits: Limits): Verdicts {
  const { numbers, flags } = columns;
  const fine = new Float64Array(flags.length).fill(1);
  const most = new Float64Array(flags.length);
  const why = new Int8Array(flags.length).fill(-1);
  for (const cause of causes(numbers, flags, limits)) {
    const place = CAUSES.findIndex((name) => name === cause.indicator);
    for (let row = 0; row < flags.length; row += 1) {
      const probability = cause.of(row);
      fine[row] = (fine[row] ?? 1) * (1 - probability);
      if (probability >= TOLD_FROM && probability > (most[row] ?? 0)) {
        most[row] = probability;
        why[row] = place;
      }
    }
  }
  const problematic = new Float32Array(flags.length);
  for (let row = 0; row < flags.length; row += 1) {
    problematic[row] = ((flags[row] ?? 0) & FAILED) === 0 ? 1 - (fine[row] ?? 1) : NaN;
  }
  return { problematic, why };
}

export function countProblematic(verdicts: Verdicts): number {
  let found = 0;
  for (const value of verdicts.problematic) if (value >= PROBLEMATIC) found += 1;
  return found;
}

type RangeName = { [Name in keyof Limits]: Limits[Name] extends Pair ? Name : never }[keyof Limits];
type NumberName = { [Name in keyof Limits]: Limits[Name] extends number | null ? Name : never }[keyof Limits];
export type SwitchName = { [Name in keyof Limits]: Limits[Name] extends boolean ? Name : never }[keyof Limits];

/** One end of one limit. */
export type LimitEnd =
  | { readonly limit: RangeName; readonly end: "low" | "high" }
  | { readonly limit: NumberName; readonly end: "only"; readonly side: "low" | "high" };

export const sideOf = (end: LimitEnd): "low" | "high" => (end.end === "only" ? end.side : end.end);

export function limitAt(limits: Limits, end: LimitEnd): number | null {
  if (end.end === "only") return limits[end.limit];
  return limits[end.limit][end.end === "low" ? 0 : 1];
}

/** The limits with one end moved; a range stays in order. */
export function withLimit(limits: Limits, end: LimitEnd, value: number | null): Limits {
  if (end.end === "only") return { ...limits, [end.limit]: value };
  const [low, high] = limits[end.limit];
  const other = end.end === "low" ? high : low;
  let kept = value;
  if (kept !== null && other !== null) kept = end.end === "low" ? Math.min(kept, other * 0.99) : Math.max(kept, other * 1.01);
  return { ...limits, [end.limit]: end.end === "low" ? [kept, high] : [low, kept] };
}

export const sameLimits = (one: Limits, other: Limits): boolean =>
  (Object.keys(one) as (keyof Limits)[]).every((name) => String(one[name]) === String(other[name]));
