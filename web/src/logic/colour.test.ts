import { describe, expect, it } from "vitest";
import { cssColour, discSize, emphasis, RAMPS, rampColour, toLab } from "./colour";

const percents = Array.from({ length: 101 }, (_, index) => index / 100);

function lightness(hex: string): number {
  const value = Number.parseInt(hex.slice(1), 16);
  return toLab([(value >> 16) & 255, (value >> 8) & 255, value & 255])[0];
}

describe("the colour of a probability", () => {
  it("says almost nothing below 40 %, then grows fast", () => {
    expect(emphasis(0)).toBe(0);
    expect(emphasis(0.4)).toBeLessThan(0.1);
    expect(emphasis(0.7)).toBeGreaterThan(0.4);
    expect(emphasis(1)).toBe(1);
  });

  it("never turns the order round", () => {
    for (const [index, p] of percents.entries()) {
      if (index === 0) continue;
      expect(emphasis(p)).toBeGreaterThan(emphasis(percents[index - 1] ?? 0));
      expect(discSize(p)).toBeGreaterThan(discSize(percents[index - 1] ?? 0));
    }
  });

  it.each([
    ["light", -1],
    ["dark", 1],
  ] as const)("changes lightness in one direction only in the %s theme, so no hue is needed", (theme, direction) => {
    // Every fourth step: neighbours may round to the same 8-bit colour.
    const values = RAMPS[theme].filter((_, step) => step % 4 === 0).map(lightness);
    for (let index = 1; index < values.length; index += 1) {
      expect(Math.sign((values[index] ?? 0) - (values[index - 1] ?? 0))).toBe(direction);
    }
    expect(Math.abs((values.at(-1) ?? 0) - (values[0] ?? 0))).toBeGreaterThan(0.5);
  });

  it("takes values outside 0 to 1 for the nearest end", () => {
    expect(rampColour(-1, "light")).toBe(rampColour(0, "light"));
    expect(rampColour(2, "dark")).toBe(rampColour(1, "dark"));
    expect(cssColour(1)).toBe(`light-dark(${rampColour(1, "light")}, ${rampColour(1, "dark")})`);
  });
});
