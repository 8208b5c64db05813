import { describe, expect, it } from "vitest";
import type { ExposureColumns } from "../api/client";
import { decodeColumns, failureWords, merged, passing, sorted, textAt, valueAt } from "./exposures";

const base64 = (table: ArrayBufferView): string =>
  btoa(String.fromCharCode(...new Uint8Array(table.buffer, table.byteOffset, table.byteLength)));

interface Given {
  readonly id: number;
  readonly time: number;
  readonly motion: number;
  readonly square: number;
  readonly failed?: boolean;
}

function sent(rows: readonly Given[], squares: string[]): ExposureColumns {
  const named = (names: string[], places: number[]) => ({ names, places: base64(Int32Array.from(places)) });
  return {
    whole: true,
    cursor: `c${rows.length}`,
    total: rows.length,
    ids: rows.map(({ id }) => id),
    names: rows.map(({ id }) => `hole_${id}`),
    numbers: { total_motion_angstrom: base64(Float32Array.from(rows, ({ motion }) => motion)) },
    times: base64(Float32Array.from(rows, ({ time }) => time)),
    origin: "2026-03-01T10:00:00Z",
    flags: base64(Uint8Array.from(rows, ({ failed }) => (failed === true ? 1 : 0))),
    texts: {
      grid: named([], rows.map(() => -1)),
      square: named(squares, rows.map(({ square }) => square)),
      condition: named([], rows.map(() => -1)),
    },
    failures: Object.fromEntries(rows.filter(({ failed }) => failed === true).map(({ id }) => [id, "cut short"])),
  };
}

const first = decodeColumns(
  sent(
    [
      { id: 7, time: 0, motion: 12, square: 0 },
      { id: 9, time: 60, motion: NaN, square: 1, failed: true },
      { id: 8, time: 90, motion: 30, square: 0 },
    ],
    ["A", "B"],
  ),
);

describe("columns of exposures", () => {
  it("come as they were sent", () => {
    expect(valueAt(first, "total_motion_angstrom", 2)).toBe(30);
    expect(textAt(first, "square", 1)).toBe("B");
    expect(textAt(first, "grid", 1)).toBeUndefined();
    expect(new Date(first.times[1] ?? 0).toISOString()).toBe("2026-03-01T10:01:00.000Z");
    expect(first.failures.get(9)).toBe("cut short");
  });

  it("take in what is new and what has changed, in the order of time", () => {
    const fresh = decodeColumns(
      sent(
        [
          { id: 9, time: 60, motion: 5, square: 0 },
          { id: 10, time: 30, motion: 8, square: 1 },
        ],
        ["C", "A"],
      ),
    );
    const now = merged(first, fresh);
    expect(now.ids).toEqual([7, 10, 9, 8]);
    expect([...now.texts.square.places].map((place) => now.texts.square.names[place])).toEqual(["A", "A", "C", "A"]);
    expect(valueAt(now, "total_motion_angstrom", now.rowOf.get(9) ?? -1)).toBe(5);
    expect(now.failures.size).toBe(0);
    expect(now.cursor).toBe("c2");
  });

  it("are filtered by how they came out, by square and by name", () => {
    const problematic = Float32Array.of(0.1, NaN, 0.9);
    const filter = { kind: "all", square: undefined, grid: undefined, search: "" } as const;
    const of = (change: object) => [...passing(first, problematic, new Map([[8, "bad"]]), { ...filter, ...change })];
    expect(of({})).toEqual([1, 1, 1]);
    expect(of({ kind: "fine" })).toEqual([1, 0, 0]);
    expect(of({ kind: "failed" })).toEqual([0, 1, 0]);
    expect(of({ kind: "problematic" })).toEqual([0, 0, 1]);
    expect(of({ kind: "marked" })).toEqual([0, 0, 1]);
    expect(of({ square: "A" })).toEqual([1, 0, 1]);
    expect(of({ square: "nowhere" })).toEqual([0, 0, 0]);
    expect(of({ search: "HOLE_9" })).toEqual([0, 1, 0]);
  });

  it("are sorted with what is not known last, either way", () => {
    const by = (by: string, descending: boolean) => sorted(first, new Float32Array(3), [0, 1, 2], { by, descending });
    expect(by("total_motion_angstrom", false)).toEqual([0, 2, 1]);
    expect(by("total_motion_angstrom", true)).toEqual([2, 0, 1]);
    expect(by("time", true)).toEqual([2, 1, 0]);
    expect(by("square", true)).toEqual([1, 0, 2]);
  });
});

describe("why an exposure failed", () => {
  it("is told without the path of the movie, whose name stands beside it", () => {
    expect(failureWords("hole_1", "/data/my raw/hole_1.mrcs is cut off: copy it again")).toBe("The movie is cut off: copy it again");
    expect(failureWords("hole_1", "C:\\raw\\hole_1.tiff: there was not enough memory")).toBe("there was not enough memory");
    expect(failureWords("hole_1", "hole_1.eer has no frames")).toBe("The movie has no frames");
  });

  it("is left as it is where it speaks of something else", () => {
    for (const reason of ["the gain reference is 4 x 4 pixels", "/data/other_hole_1.mrcs is empty", "see hole_1.mrcs and /x/hole_1.mrcs"]) {
      expect(failureWords("hole_1", reason)).toBe(reason);
    }
  });
});
