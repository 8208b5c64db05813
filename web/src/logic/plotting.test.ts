import { describe, expect, it } from "vitest";
import { isInside, limitMarks, rangeOf, rounded, shareOf, ticks, timeTicks } from "./plotting";

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

describe("limits on a plot", () => {
  const axis = { low: 0, high: 10 };
  const marks = (low: number | null, high: number | null) =>
    limitMarks([{ side: "low", value: low }, { side: "high", value: high }], axis, 112, 6);

  it("are lines where the axis reaches them, with labels beside", () => {
    expect(marks(2, 8)).toEqual([
      { line: 86, beyond: undefined, label: 86 },
      { line: 26, beyond: undefined, label: 26 },
    ]);
  });

  it("have no line where the axis does not reach them, and say where they are", () => {
    expect(marks(-3, 500)).toEqual([
      { line: undefined, beyond: "below", label: 101 },
      { line: undefined, beyond: "above", label: 11 },
    ]);
    expect(marks(null, null).map(({ line, beyond }) => line ?? beyond)).toEqual([undefined, undefined]);
  });

  it("keep their labels apart and inside of the plot, the higher limit's above", () => {
    for (const [low, high] of [[5, 5.05], [9.9, 10], [0, 0.1], [40, 50], [null, 0.2]] as const) {
      const [below, above] = marks(low, high);
      expect((below?.label ?? 0) - (above?.label ?? 0)).toBeGreaterThanOrEqual(22);
      expect(above?.label).toBeGreaterThanOrEqual(11);
      expect(below?.label).toBeLessThanOrEqual(101);
    }
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
