import { describe, expect, it } from "vitest";
import { scaleBar } from "./scale";

describe("the scale bar", () => {
  it.each([
    [2.837, "200 µm"],
    [0.5, "50 µm"],
    [10, "1 mm"],
    [0.004, "0.5 µm"],
  ])("has a round length at %f µm per pixel", (um, text) => {
    const bar = scaleBar(um);
    expect(bar.text).toBe(text);
    expect(bar.pixels).toBeGreaterThan(40);
    expect(bar.pixels).toBeLessThanOrEqual(140);
  });
});
