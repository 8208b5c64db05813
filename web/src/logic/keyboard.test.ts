import { describe, expect, it } from "vitest";
import { labelForKey, labelName } from "./labels";
import { type Press, shortcutOf, takesKeys } from "./keyboard";

const press = (key: string, held: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  isComposing: false,
  ...held,
});

describe("shortcuts", () => {
  it("are single keys, whatever the case", () => {
    expect(shortcutOf(press("c"))).toBe("c");
    expect(shortcutOf(press("C", { shiftKey: true }))).toBe("c");
    expect(shortcutOf(press("?", { shiftKey: true }))).toBe("?");
    expect(shortcutOf(press("ArrowLeft"))).toBe("ArrowLeft");
    expect(shortcutOf(press("ArrowLeft", { shiftKey: true }))).toBe("Shift+ArrowLeft");
  });

  it("leave the browser's own chords and input methods alone", () => {
    expect(shortcutOf(press("c", { ctrlKey: true }))).toBeUndefined();
    expect(shortcutOf(press("z", { metaKey: true }))).toBeUndefined();
    expect(shortcutOf(press("c", { isComposing: true }))).toBeUndefined();
  });

  it("never take keys from fields", () => {
    expect(takesKeys({ tagName: "INPUT", type: "search" })).toBe(true);
    expect(takesKeys({ tagName: "SELECT" })).toBe(true);
    expect(takesKeys({ tagName: "INPUT", type: "checkbox" })).toBe(false);
    expect(takesKeys({ tagName: "BUTTON" })).toBe(false);
    expect(takesKeys(null)).toBe(false);
  });
});

describe("scoring keys", () => {
  it("hold the ten grades and the four answers", () => {
    expect(labelForKey("0")).toMatchObject({ scheme: "ispyb-grade", label: "0", isCrystal: false });
    expect(labelForKey("6")).toMatchObject({ scheme: "ispyb-grade", label: "6", isCrystal: true });
    expect(labelForKey("C")).toMatchObject({ scheme: "axis", label: "crystal", isCrystal: true });
    expect(labelForKey("u")?.isCrystal).toBeUndefined();
    expect(labelForKey("q")).toBeUndefined();
  });

  it("are named in words", () => {
    expect(labelName("ispyb-grade", "9")).toBe("Crystals, 3-D");
    expect(labelName("axis", "other")).toBe("Other");
    expect(labelName("elsewhere", "other")).toBe("other");
  });
});
