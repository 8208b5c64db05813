import { describe, expect, it } from "vitest";
import { ago, bytes, elapsed, percent } from "./format";

describe("formats", () => {
  it.each([
    [0, "0 %"],
    [0.0004, "<0.1 %"],
    [0.0123, "1.2 %"],
    [0.099, "9.9 %"],
    [0.0999, "10 %"],
    [0.5, "50 %"],
    [0.9931, "99.3 %"],
    [0.9999, ">99.9 %"],
    [1, "100 %"],
  ])("writes %f as %s", (value, text) => {
    expect(percent(value)).toBe(text);
  });

  it("says how long ago", () => {
    const now = Date.parse("2026-03-10T12:00:00Z");
    expect(ago("2026-03-10T11:59:40Z", now)).toBe("just now");
    expect(ago("2026-03-10T09:00:00Z", now)).toBe("3 hours ago");
    expect(ago("2026-03-09T12:00:00Z", now)).toBe("yesterday");
  });

  it("says how much time lies between inspections", () => {
    expect(elapsed("2026-03-01T00:00:00Z", "2026-03-01T06:00:00Z")).toBe("6 h");
    expect(elapsed("2026-03-01T00:00:00Z", "2026-03-03T06:00:00Z")).toBe("2 d 6 h");
    expect(elapsed("2026-03-01T00:00:00Z", "2026-03-15T06:00:00Z")).toBe("14 d");
    expect(elapsed(null, "2026-03-15T06:00:00Z")).toBeUndefined();
    expect(elapsed("2026-03-15T06:00:00Z", "2026-03-01T00:00:00Z")).toBeUndefined();
  });

  it("writes sizes", () => {
    expect([bytes(12), bytes(12_345), bytes(1_234_567)]).toEqual(["12 B", "12 kB", "1.2 MB"]);
  });
});
