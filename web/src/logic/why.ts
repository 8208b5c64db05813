/** Explanations of scores in words. */
import type { NearestExample } from "../api/client";

/** A change of probability in points of per cent, with its sign: `+12 points`. */
export function points(change: number): string {
  const value = change * 100;
  const digits = Math.abs(value) < 9.95 ? 1 : 0;
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)} points`;
}

const SOURCES: Readonly<Record<NearestExample["source"], string>> = {
  curated: "settled by curators",
  agreed: "a person and the model agreed",
  annotated: "as a person said",
  imported: "came with a published data set",
};

/** What a label rests on, and who said so. */
export function settledBy(example: Pick<NearestExample, "source" | "said">): string {
  const who = example.said.map((one) => `${one.name}: ${one.answer}`).join(", ");
  return who === "" ? SOURCES[example.source] : `${SOURCES[example.source]} (${who})`;
}
