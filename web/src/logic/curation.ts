/** Curation: what a curator may answer, on which key, and why an item is asked about, in words. */
import type { ConditionItem, ConditionQueue, CurationAnswer, CurationItem, CurationReason, CrystalType } from "../api/client";
import { percent } from "./format";

export interface CuratorChoice {
  readonly key: string;
  readonly answer: CurationAnswer;
  readonly crystalType: CrystalType | null;
  readonly name: string;
}

export const ANSWERS: readonly CuratorChoice[] = [
  { key: "c", answer: "crystal", crystalType: null, name: "Crystal" },
  { key: "o", answer: "other", crystalType: null, name: "Other" },
  { key: "u", answer: "uncertain", crystalType: null, name: "Uncertain" },
  { key: "x", answer: "unusable", crystalType: null, name: "Unusable" },
];

/** A crystal whose kind is told too. */
export const CRYSTAL_TYPES: readonly CuratorChoice[] = [
  { key: "1", answer: "crystal", crystalType: "microcrystals", name: "Microcrystals" },
  { key: "2", answer: "crystal", crystalType: "1d", name: "Needles (1-D)" },
  { key: "3", answer: "crystal", crystalType: "2d", name: "Plates (2-D)" },
  { key: "4", answer: "crystal", crystalType: "3d", name: "3-D crystals" },
];

const ALL = [...ANSWERS, ...CRYSTAL_TYPES];

export function choiceForKey(key: string): CuratorChoice | undefined {
  return ALL.find((choice) => choice.key === key);
}

export const REASON_NAMES: Readonly<Record<CurationReason, string>> = {
  disagreement: "Disagreement",
  "near-threshold": "Near the threshold",
  conflict: "Visible against UV",
  "label-error": "Suspected label",
  drift: "New imager",
  audit: "Audit",
  gold: "Known answer",
  chosen: "Chosen",
};

/** Why this item is asked about, in one sentence. */
export function whyAsked(item: CurationItem): string {
  const model = item.probability === null ? "nothing" : `${percent(item.probability)} crystal`;
  const person = item.human_label ?? "nothing";
  switch (item.reason) {
    case "disagreement":
      return `A person said ${person}, the model says ${model}.`;
    case "near-threshold":
      return `The model cannot decide: ${model}.`;
    case "conflict":
      return "The visible and the UV image tell the model different things.";
    case "label-error":
      return `A person said ${person}; what the model learned from all other labels speaks against it.`;
    case "drift":
      return `It comes from an imager or a plate type that looks new to the model${item.drift_of === null ? "" : ` (${item.drift_of})`}.`;
    case "chosen":
      return "Somebody put it here to be looked at.";
    default:
      return "Asked blind: neither the model’s score nor an earlier label is shown.";
  }
}

/** How many answers there are, and how many settle it; of a blind item it is not told how many, and never what they said. */
export function answersSoFar(item: CurationItem): string {
  const settle = item.answers_needed === 1 ? "one settles it" : `${item.answers_needed} equal ones settle it`;
  if (item.is_blind) return `not shown; ${settle}`;
  return item.answer_count < item.answers_needed ? `${item.answer_count} given, ${settle}` : `${item.answer_count} given, which differ; ${settle}`;
}

/** Why an exposure is asked about, in one sentence. */
export function whyExposureIsAsked(item: ConditionItem, choices: ConditionQueue["choices"]): string {
  const title = choices.find((choice) => choice.answer === item.condition)?.title ?? item.condition;
  const sure = item.probability === null ? "" : ` (${percent(item.probability)})`;
  switch (item.reason) {
    case null:
    case "audit":
    case "gold":
      return "Asked blind: what the model says is not shown.";
    case "disagreement":
      return `Somebody marked it good; the model says: ${title ?? "nothing"}${sure}.`;
    case "near-threshold":
      return title === null || title === "unknown" ? "The model cannot tell." : `The model is unsure: ${title}${sure}.`;
    default:
      return "Somebody put it here to be looked at.";
  }
}

const MS_PER_MINUTE = 60_000;

/** Answers per minute of one sitting; none before there are two. */
export function answersPerMinute(times: readonly number[]): number | undefined {
  const first = times[0];
  const last = times.at(-1);
  if (first === undefined || last === undefined || last === first) return undefined;
  return ((times.length - 1) * MS_PER_MINUTE) / (last - first);
}
