import { describe, expect, it } from "vitest";
import { hitsQueryOf, neighbours, orderOf } from "./sequence";

const steps = [5, 3, 9].map((dropId) => ({ plateId: 1, dropId }));

describe("walking along a list", () => {
  it("knows what comes before and after", () => {
    expect(neighbours(steps, 3)).toEqual({ position: 2, previous: steps[0], next: steps[2] });
    expect(neighbours(steps, 5).previous).toBeUndefined();
    expect(neighbours(steps, 9).next).toBeUndefined();
  });

  it("starts at the top when the drop has left the list", () => {
    expect(neighbours(steps, 4)).toEqual({ position: 0, previous: undefined, next: steps[0] });
  });

  it("reads the list from the address, and takes nonsense for the usual", () => {
    expect(hitsQueryOf(new URLSearchParams("plate=3&all=1"))).toEqual({
      plate: 3,
      belowThreshold: true,
      unreviewed: false,
    });
    expect(hitsQueryOf(new URLSearchParams("plate=x")).plate).toBeUndefined();
    expect(orderOf(new URLSearchParams("order=rank"))).toBe("rank");
    expect(orderOf(new URLSearchParams("order=disagreements"))).toBe("disagreements");
    expect(orderOf(new URLSearchParams("order=sideways"))).toBe("plate");
  });
});
