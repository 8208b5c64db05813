import { describe, expect, it } from "vitest";
import type { Limits } from "../api/client";
import { CRYSTALLINE, FAILED, FILM, LEAST_ICE } from "./exposures";
import file from "./judging.cases.json";
import { CAUSES, countProblematic, judgeAll, limitAt, sameLimits, withLimit } from "./judging";

interface Case {
  readonly numbers: Record<string, number | string | null>;
  readonly crystalline_ice: boolean;
  readonly film_poses: boolean;
  readonly least_ice: boolean;
  readonly limits: keyof typeof file.limits;
  readonly problematic: number;
  readonly why: string | null;
}
const cases = file.cases as unknown as readonly Case[];
const limitsOf = (name: keyof typeof file.limits) => file.limits[name] as unknown as Limits;

describe("judging", () => {
  it("says what the server says", () => {
    for (const one of cases) {
      const numbers = Object.fromEntries(
        Object.entries(one.numbers).map(([name, value]) => [name, Float32Array.of(value === "inf" ? Infinity : value === null ? NaN : Number(value))]),
      );
      const flags = Uint8Array.of(
        (one.crystalline_ice ? CRYSTALLINE : 0) | (one.film_poses ? FILM : 0) | (one.least_ice ? LEAST_ICE : 0),
      );
      const { problematic, why } = judgeAll({ numbers, flags }, limitsOf(one.limits));
      expect(problematic[0], JSON.stringify(one)).toBeCloseTo(one.problematic, 4);
      expect(CAUSES[why[0] ?? -1] ?? null, JSON.stringify(one)).toBe(one.why);
    }
    expect(cases.length).toBeGreaterThan(100);
  });

  it("says nothing of what failed", () => {
    const { problematic } = judgeAll({ numbers: {}, flags: Uint8Array.of(FAILED, 0) }, limitsOf("defaults"));
    expect(problematic[0]).toBeNaN();
    expect(problematic[1]).toBe(0);
  });

  it("counts what is likelier problematic than not", () => {
    const numbers = { total_motion_angstrom: Float32Array.of(10, 49, 51, 90, NaN) };
    expect(countProblematic(judgeAll({ numbers, flags: new Uint8Array(5) }, limitsOf("defaults")))).toBe(2);
  });

  it("moves one end of a limit and keeps a range in order", () => {
    const defaults = limitsOf("defaults");
    const high = { limit: "ice_nm", end: "high" } as const;
    const moved = withLimit(defaults, high, 3);
    expect(moved.ice_nm[0]).toBe(10);
    expect(moved.ice_nm[1]).toBeGreaterThan(10);
    expect(limitAt(withLimit(defaults, high, null), high)).toBeNull();
    expect(sameLimits(defaults, withLimit(defaults, high, 120))).toBe(true);
    expect(sameLimits(defaults, moved)).toBe(false);
  });
});
