import { describe, expect, it } from "vitest";
import { type Done, UndoStack } from "./undo";

const entry = (dropId: number): Done<number> => ({
  stored: Promise.resolve(dropId),
  label: "crystal",
  dropId,
  plateId: 1,
});

describe("undo", () => {
  it("takes back the newest first", () => {
    const stack = new UndoStack<number>();
    stack.push(entry(1));
    stack.push(entry(2));
    expect(stack.take()?.dropId).toBe(2);
    expect(stack.take()?.dropId).toBe(1);
    expect(stack.take()).toBeUndefined();
  });

  it("takes one entry back only once, however it is asked for", () => {
    const stack = new UndoStack<number>();
    const first = entry(1);
    stack.push(first);
    stack.push(entry(2));
    expect(stack.take(first)).toBe(first);
    expect(stack.take(first)).toBeUndefined();
    expect(stack.size).toBe(1);
  });

  it("forgets the oldest beyond its limit", () => {
    const stack = new UndoStack<number>(2);
    for (const id of [1, 2, 3]) stack.push(entry(id));
    expect([stack.take()?.dropId, stack.take()?.dropId, stack.take()]).toEqual([3, 2, undefined]);
  });
});
