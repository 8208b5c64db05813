import { describe, expect, it } from "vitest";
import type { Override, Replay, SessionHoles } from "../api/client";
import {
  chancesAt,
  decodeChances,
  forbiddenAt,
  goodSoFar,
  outcomesAt,
  overrideText,
  parseMinutes,
  reachOf,
  withOverride,
} from "./replay";

const step = (hole: number, good: boolean) => ({ hole, good, minutes: hole, reason: "", table: [] });
const replay: Replay = { steps: [step(0, true), step(3, true), step(1, false)], chances: "", good: 1, possible: 2 };
const override = (after: number, action: Override["action"], ...holes: string[]): Override => ({
  after,
  action,
  hole_ids: holes,
  weight: 3,
});

describe("a replay", () => {
  it("does not count the hole at the start", () => {
    expect(goodSoFar(replay, 0)).toBe(0);
    expect(goodSoFar(replay, 2)).toBe(1);
  });

  it("knows outcomes only up to its step", () => {
    expect([...outcomesAt(replay, 1)]).toEqual([
      [0, "good"],
      [3, "good"],
    ]);
    expect(outcomesAt(replay, 2).get(1)).toBe("bad");
  });

  it("cuts expectations by step", () => {
    const chances = decodeChances(btoa(String.fromCharCode(1, 2, 3, 4, 5, 6)));
    expect(Array.from(chancesAt(chances, 3, 1) ?? [])).toEqual([4, 5, 6]);
    expect(chancesAt(chances, 3, 2)).toBeUndefined();
    expect(chancesAt(new Uint8Array(), 3, 0)).toBeUndefined();
  });
});

describe("overrides", () => {
  it("act from their moment on", () => {
    const all = [override(2, "forbid", "a", "b"), override(5, "allow", "a")];
    expect([...forbiddenAt(all, 1)]).toEqual([]);
    expect([...forbiddenAt(all, 2)]).toEqual(["a", "b"]);
    expect([...forbiddenAt(all, 5)]).toEqual(["b"]);
  });

  it("are kept in the order of their moments", () => {
    const all = withOverride([override(4, "forbid", "a")], override(1, "force", "b"));
    expect(all.map(({ after }) => after)).toEqual([1, 4]);
  });

  it("read well", () => {
    expect(overrideText(override(1, "forbid", "a"))).toBe("Forbid a");
    expect(overrideText(override(1, "prioritise", "a", "b"))).toBe("Prefer 2 holes × 3");
  });
});

describe("a click", () => {
  const holes = {
    hole_id: ["a", "b", "c", "d"],
    atlas_tile: ["t", "t", "t", "u"],
    square: ["s", "s", "s", "s"],
    patch: ["p", "p", "q", "p"],
  } as unknown as SessionHoles;

  it("means a hole, its patch or its square", () => {
    expect(reachOf(holes, 0, "hole")).toEqual([0]);
    expect(reachOf(holes, 0, "patch")).toEqual([0, 1]);
    expect(reachOf(holes, 0, "square")).toEqual([0, 1, 2]);
  });
});

describe("move times", () => {
  it("are four numbers that do not fall", () => {
    expect(parseMinutes("1, 2,6,8")).toEqual([1, 2, 6, 8]);
    for (const bad of ["1,2,6", "1,2,6,x", "2,1,6,8", "0,1,2,3", "1,,6,8"]) expect(parseMinutes(bad)).toBeUndefined();
  });
});
