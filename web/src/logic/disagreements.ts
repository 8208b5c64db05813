/** Where a person and the model say different things of a drop: which are open, in words, and how to step over them. */
import type { Disagreement } from "../api/client";
import { percent } from "./format";

interface MayDisagree {
  readonly disagreement: Disagreement | null;
}

/** Nobody has settled it yet. */
export const isOpen = (disagreement: Disagreement | null): disagreement is Disagreement =>
  disagreement !== null && (disagreement.state === "unasked" || disagreement.state === "queued");

export interface DisagreementCounts {
  /** Those that nobody has settled. */
  readonly open: number;
  /** Of these, those that wait for curators. */
  readonly queued: number;
  readonly settled: number;
  readonly undecided: number;
}

export function countDisagreements(cells: readonly MayDisagree[]): DisagreementCounts {
  const states = cells.flatMap(({ disagreement }) => (disagreement === null ? [] : [disagreement.state]));
  const number = (wanted: Disagreement["state"]) => states.filter((state) => state === wanted).length;
  return {
    open: number("unasked") + number("queued"),
    queued: number("queued"),
    settled: number("settled"),
    undecided: number("undecided"),
  };
}

/** Index of the next open disagreement after `from` (-1: from the start), around the end; -1 where there is none. */
export function nextDisagreement(cells: readonly MayDisagree[], from: number): number {
  for (let step = 1; step <= cells.length; step += 1) {
    const index = (from + step) % cells.length;
    if (isOpen(cells[index]?.disagreement ?? null)) return index;
  }
  return -1;
}

/** What became of it, in a few words. */
export function stateInWords({ state, settled_label }: Disagreement): string {
  switch (state) {
    case "unasked":
      return "Not in the queue";
    case "queued":
      return "Waits for curators";
    case "settled":
      return `Curators settled it: ${settled_label ?? ""}`;
    case "undecided":
      return "Curators could not tell";
  }
}

/** `person other, model 93 %`, as a screen reader says it. */
export const spokenDisagreement = ({ human_label, probability }: Disagreement): string =>
  `disagreement: person ${human_label}, model ${percent(probability)}`;

/** Where it is curated; undefined where nothing waits that may be opened from a map. */
export const curateUrl = ({ curation_item_id }: Disagreement): string | undefined =>
  curation_item_id === null ? undefined : `/curation?item=${curation_item_id}`;
