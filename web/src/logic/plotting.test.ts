import { describe, expect, it } from "vitest";
import { isInside, rangeOf, rounded, shareOf, ticks, timeTicks } from "./plotting";

describe("axes", () => {
  it("are not spoilt by a few wild values, and keep limits in view that are near", () => {
    const values = [...Array.from({ length: 1000 }, (_, row) => 5 + row / 100), 1e6, NaN, Infinity];
    expect(rangeOf(values, [], 0).high).toBeLessThan(20);
    expect(rangeOf(values, [18, 500], 0).high).toBeGreaterThan(18);
    expect(rangeOf(values, [18, 500], 0).high).toBeLessThan(30);
    expect(rangeOf([], [], 0)).toEqual({ low: 0, high: 1 });
    const flat = rangeOf([3, 3, 3]);
    expect(flat.high).toBeGreaterThan(flat.low);
  });

  it("have round ticks inside", () => {
    expect(ticks({ low: 0, high: 42 }, 4)).toEqual([0, 20, 40]);
    expect(ticks({ low: 2.9, high: 4.1 }, 4)).toEqual([3, 3.5, 4]);
    const hour = 3_600_000;
    const found = timeTicks({ low: 0, high: 5 * hour }, 6);
    expect(found.length).toBeGreaterThan(3);
    expect(new Set(found.map((tick, place) => tick - (found[place - 1] ?? tick))).size).toBeLessThanOrEqual(2);
  });

  it("put what lies beyond at their end", () => {
    expect(shareOf(Infinity, { low: 0, high: 10 })).toBe(1);
    expect(shareOf(-4, { low: 0, high: 10 })).toBe(0);
    expect(shareOf(NaN, { low: 0, high: 10 })).toBeNaN();
  });

  it("are read with the digits that a person would give", () => {
    expect([rounded(4.4478), rounded(35.27), rounded(123.4)]).toEqual([4.45, 35.3, 123]);
  });
});

describe("a lasso", () => {
  it("holds what is inside of it", () => {
    const line = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }, { x: 5, y: 3 }, { x: 0, y: 10 }];
    expect(isInside({ x: 2, y: 2 }, line)).toBe(true);
    expect(isInside({ x: 5, y: 8 }, line)).toBe(false);
    expect(isInside({ x: 12, y: 5 }, line)).toBe(false);
    expect(isInside({ x: NaN, y: 5 }, line)).toBe(false);
  });
});
