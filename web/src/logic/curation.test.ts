import { expect, test } from "vitest";
import type { CurationItem } from "../api/client";
import { ANSWERS, answersPerMinute, answersSoFar, choiceForKey, CRYSTAL_TYPES, whyAsked } from "./curation";

const ITEM = { reason: "disagreement", probability: 0.87, human_label: "other", is_blind: false } as CurationItem;

test("every answer has a key of its own", () => {
  const keys = [...ANSWERS, ...CRYSTAL_TYPES].map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  for (const key of keys) expect(choiceForKey(key)?.key).toBe(key);
  expect(choiceForKey("q")).toBeUndefined();
});

test("a type is told of crystals only", () => {
  expect(CRYSTAL_TYPES.every(({ answer, crystalType }) => answer === "crystal" && crystalType !== null)).toBe(true);
  expect(ANSWERS.every(({ crystalType }) => crystalType === null)).toBe(true);
});

test("the reason names what disagrees", () => {
  expect(whyAsked(ITEM)).toBe("A person said other, the model says 87 % crystal.");
});

test("a blind item tells nothing", () => {
  const blind: CurationItem = { ...ITEM, reason: null, probability: null, human_label: null, is_blind: true };
  expect(whyAsked(blind)).toMatch(/^Asked blind/);
});

test("the pace counts the gaps between answers", () => {
  expect(answersPerMinute([])).toBeUndefined();
  expect(answersPerMinute([5])).toBeUndefined();
  expect(answersPerMinute([0, 2000, 4000])).toBe(30);
});

test("answers so far tell that they differ, and of a blind item nothing", () => {
  const item = (answer_count: number, answers_needed: number, is_blind = false) =>
    answersSoFar({ ...ITEM, answer_count, answers_needed, is_blind });
  expect(item(1, 2)).toBe("1 given, 2 equal ones settle it");
  expect(item(2, 2)).toBe("2 given, which differ; 2 equal ones settle it");
  expect(item(0, 1)).toBe("0 given, one settles it");
  expect(item(0, 2, true)).toBe("not shown; 2 equal ones settle it");
});
