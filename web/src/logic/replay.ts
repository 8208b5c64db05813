/** What the page of a replayed session works out by itself: expectations, what happened so far, overrides. */
import type { Override, Replay, SessionHoles } from "../api/client";

/** Chances of all holes before one step, in per cent; undefined where the policy expects nothing. */
export function chancesAt(chances: Uint8Array, holes: number, step: number): Uint8Array | undefined {
  const from = step * holes;
  return chances.length >= from + holes && holes > 0 ? chances.subarray(from, from + holes) : undefined;
}

export function decodeChances(base64: string): Uint8Array {
  const text = atob(base64);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Good exposures up to and with a step; the hole at the start is not counted. */
export function goodSoFar(replay: Replay, step: number): number {
  return replay.steps.slice(1, step + 1).filter(({ good }) => good).length;
}

export type HoleState = "unseen" | "good" | "bad";

/** How each exposed hole turned out by a step. */
export function outcomesAt(replay: Replay, step: number): ReadonlyMap<number, HoleState> {
  return new Map(replay.steps.slice(0, step + 1).map(({ hole, good }) => [hole, good ? "good" : "bad"] as const));
}

/** Holes that the operator has forbidden by a step, by name. */
export function forbiddenAt(overrides: readonly Override[], step: number): ReadonlySet<string> {
  const out = new Set<string>();
  for (const { after, action, hole_ids: holes } of overrides) {
    if (after > step) continue;
    for (const hole of holes) {
      if (action === "forbid") out.add(hole);
      else if (action === "allow") out.delete(hole);
    }
  }
  return out;
}

/** Overrides in the order in which they act; the newest last among those of one moment. */
export function withOverride(overrides: readonly Override[], added: Override): readonly Override[] {
  return [...overrides, added].toSorted((a, b) => a.after - b.after);
}

export type Reach = "hole" | "patch" | "square";

/** Rows of the holes that a click on one hole means. */
export function reachOf(holes: SessionHoles, row: number, reach: Reach): number[] {
  if (reach === "hole") return [row];
  const same = (other: number) =>
    holes.atlas_tile[other] === holes.atlas_tile[row] &&
    holes.square[other] === holes.square[row] &&
    (reach === "square" || holes.patch[other] === holes.patch[row]);
  return holes.hole_id.map((_, other) => other).filter(same);
}

const WORDS: Record<Override["action"], string> = {
  forbid: "Forbid",
  allow: "Allow",
  force: "Next:",
  prioritise: "Prefer",
};

export function overrideText({ action, hole_ids: holes, weight }: Override): string {
  const which = holes.length === 1 ? (holes[0] ?? "") : `${holes.length} holes`;
  return `${WORDS[action]} ${which}${action === "prioritise" ? ` × ${weight}` : ""}`;
}

/** Numbers separated by commas; undefined where that is not what the text holds. */
export function parseMinutes(text: string): [number, number, number, number] | undefined {
  const values = text.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const [patch, square, tile, far] = values;
  if (values.length !== 4 || patch === undefined || square === undefined || tile === undefined || far === undefined)
    return undefined;
  const rising = patch > 0 && patch <= square && square <= tile && tile <= far && Number.isFinite(far);
  return rising ? [patch, square, tile, far] : undefined;
}
