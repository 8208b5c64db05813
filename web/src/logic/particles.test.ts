import { describe, expect, it } from "vitest";
import { countAbove, decodePicks, expectedAt, fitted, isOnParticle, modelTitle, pixelSizeText, placeAt, shadeOf, shortName, zoomed } from "./particles";

const table = new Float32Array([10, 20, 0.9, 30, 40, 0.55, 50, 60, 0.1]);
const point = (threshold: number, precision: number, recall: number) => ({
  threshold,
  precision,
  precision_low: precision - 0.1,
  precision_high: precision + 0.1,
  recall,
  recall_low: recall - 0.1,
  recall_high: recall + 0.1,
});
const base64 = btoa(String.fromCharCode(...new Uint8Array(table.buffer)));

describe("picks", () => {
  it("are decoded as they were sent", () => {
    expect([...decodePicks(base64)]).toEqual([...table]);
    expect(decodePicks("")).toHaveLength(0);
  });
  it("are counted at and above the threshold", () => {
    expect([0, 0.1, 0.11, 0.55, 0.56, 0.9, 0.91, 1].map((threshold) => countAbove(table, threshold))).toEqual([
      3, 3, 2, 2, 1, 1, 0, 0,
    ]);
    expect(countAbove(new Float32Array(), 0.5)).toBe(0);
  });
  it("are found only where they are shown", () => {
    expect(isOnParticle({ x_px: 31, y_px: 41 }, table, 2, [], 2)).toBe(true);
    expect(isOnParticle({ x_px: 31, y_px: 41 }, table, 1, [], 2)).toBe(false);
    expect(isOnParticle({ x_px: 5, y_px: 5 }, table, 0, [{ x_px: 5, y_px: 6 }], 2)).toBe(true);
  });
  it("have a shade for each probability", () => {
    expect([0, 0.5, 1].map(shadeOf)).toEqual([0, 8, 15]);
  });
});

describe("what to expect at a threshold", () => {
  const points = [
    point(0.2, 0.6, 0.9),
    point(0.4, 0.8, 0.7),
  ];
  it("lies between what was measured", () => {
    expect(expectedAt(points, 0.3)?.precision).toBeCloseTo(0.7);
    expect(expectedAt(points, 0.3)?.recall).toBeCloseTo(0.8);
    expect(expectedAt(points, 0.3)?.precision_low).toBeCloseTo(0.6);
    expect(expectedAt(points, 0.1)?.recall).toBe(0.9);
    expect(expectedAt(points, 0.9)?.precision).toBe(0.8);
  });
  it("is unknown where nothing was measured", () => {
    expect(expectedAt([], 0.5)).toBeUndefined();
  });
});

describe("the view", () => {
  it("fits the micrograph and finds places in it again", () => {
    const view = fitted({ width: 4000, height: 2000 }, { width: 1000, height: 800 });
    expect(view).toEqual({ scale: 0.25, left: 0, top: 150 });
    expect(placeAt(view, 500, 400)).toEqual({ x_px: 1999.5, y_px: 999.5 });
  });
  it("holds the place under the pointer still while zooming", () => {
    const view = fitted({ width: 4000, height: 2000 }, { width: 1000, height: 800 });
    const closer = zoomed(view, 3, 123, 321, { least: 0.01, most: 20 });
    expect(placeAt(closer, 123, 321).x_px).toBeCloseTo(placeAt(view, 123, 321).x_px);
    expect(placeAt(closer, 123, 321).y_px).toBeCloseTo(placeAt(view, 123, 321).y_px);
    expect(zoomed(view, 1e9, 0, 0, { least: 0.01, most: 20 }).scale).toBe(20);
  });
});

it("names are cut at folders and nowhere else", () => {
  expect(shortName("a/b_1_2.mrc")).toBe("b_1_2.mrc");
  expect(shortName("b.mrc")).toBe("b.mrc");
});

it("models that come with structloop are called by words, others by their name", () => {
  expect(["particles-general", "log", "ribosome-1"].map(modelTitle)).toEqual(["General network", "Dark blobs", "ribosome-1"]);
});

it("pixel sizes are written as short as they were meant", () => {
  expect(pixelSizeText(2.4000000953674316)).toBe("2.4 Å/px");
  expect(pixelSizeText(1.0617)).toBe("1.0617 Å/px");
});
