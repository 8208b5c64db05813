/** What the gate and a comparison of two models say, read from the evidence that the server keeps, and jobs by task. */
import type { Job, ModelRoles } from "../api/client";
import { isFinal } from "./jobs";

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly reason: string;
}

export interface Verdict {
  readonly passed: boolean;
  readonly current: string | null;
  readonly candidate: string;
  readonly checks: readonly Check[];
}

export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface ComparedMetric {
  readonly key: string;
  readonly name: string;
  readonly current: Estimate | undefined;
  readonly candidate: Estimate | undefined;
  /** Candidate less current, of the same images. */
  readonly difference: Estimate | undefined;
}

type Tree = Readonly<Record<string, unknown>>;

const METRICS: readonly [string, string][] = [
  ["recall", "Recall"],
  ["precision", "Precision"],
  ["balanced_accuracy", "Balanced accuracy"],
  ["average_precision", "Average precision"],
  ["auc", "AUC"],
];

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

function at(tree: unknown, ...path: readonly string[]): unknown {
  let here = tree;
  for (const name of path) here = isTree(here) ? here[name] : undefined;
  return here;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

export function verdictOf(evidence: Tree): Verdict | undefined {
  const verdict = at(evidence, "verdict");
  const checks = at(verdict, "checks");
  if (!Array.isArray(checks)) return undefined;
  return {
    passed: at(verdict, "passed") === true,
    current: textOrNull(at(verdict, "current")),
    candidate: text(at(verdict, "candidate")),
    checks: checks.map((check: unknown) => ({
      name: text(at(check, "name")),
      passed: at(check, "passed") === true,
      reason: text(at(check, "reason")),
    })),
  };
}

function estimateOf(value: unknown): Estimate | undefined {
  const [middle, low, high] = ["value", "low", "high"].map((name) => at(value, name));
  if (typeof middle !== "number" || typeof low !== "number" || typeof high !== "number") return undefined;
  return { value: middle, low, high };
}

/** Both models on the frozen test set, metric by metric; those that neither has are left out. */
export function comparedMetrics(evidence: Tree): ComparedMetric[] {
  const comparison = at(evidence, "comparison");
  return METRICS.map(([key, name]) => ({
    key,
    name,
    current: estimateOf(at(comparison, "current", "metrics", key)),
    candidate: estimateOf(at(comparison, "candidate", "metrics", key)),
    difference: estimateOf(at(comparison, "differences", key)),
  })).filter((metric) => metric.current !== undefined || metric.candidate !== undefined);
}

/** How many images the comparison saw, and of how many groups, such as plates. */
export function testSetSize(evidence: Tree): { images: number; groups: number | undefined } | undefined {
  const images = at(evidence, "comparison", "candidate", "items");
  const groups = at(evidence, "comparison", "candidate", "review_load", "groups");
  if (typeof images !== "number") return undefined;
  return { images, groups: typeof groups === "number" ? groups : undefined };
}

/** The loss after each look at the validation images, of a training that measured it. */
export function progressOf(course: Tree): { step: number; steps: number; loss: number } | undefined {
  const [step, steps, loss] = ["step", "steps", "loss"].map((name) => at(course, "progress", name));
  if (typeof step !== "number" || typeof steps !== "number" || typeof loss !== "number") return undefined;
  return { step, steps, loss };
}

export interface PartCounts {
  readonly part: string;
  readonly images: number;
  readonly groups: number;
  readonly labels: readonly (readonly [string, number])[];
}

const PARTS = ["train", "validation", "test"];

function numbers(value: unknown): [string, number][] {
  if (!isTree(value)) return [];
  return Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number");
}

/** What each part of a data set holds. */
export function partCounts(counts: Tree): PartCounts[] {
  return PARTS.flatMap((part) => {
    const found = at(counts, "partitions", part);
    const [images, groups] = [at(found, "images"), at(found, "groups")];
    if (typeof images !== "number" || images === 0) return [];
    return [{ part, images, groups: typeof groups === "number" ? groups : 0, labels: numbers(at(found, "labels")) }];
  });
}

/** `12 added: crystal 4, other 8` and so on, of the counts of a difference. */
export function diffInWords(counts: Tree): string[] {
  const words = ["added", "removed", "relabelled", "moved"].flatMap((kind) => {
    const found = numbers(at(counts, kind)).filter(([, number]) => number > 0);
    if (found.length === 0) return [];
    const total = found.reduce((sum, [, number]) => sum + number, 0);
    return [`${total} ${kind} (${found.map(([name, number]) => `${name} ${number}`).join(", ")})`];
  });
  const unchanged = at(counts, "unchanged");
  return typeof unchanged === "number" ? [...words, `${unchanged} unchanged`] : words;
}

/** `crystals-visible-fast-head-3` of `crystals-visible-fast-head-3@1a2b`. */
export const nameOf = (model: string): string => model.slice(0, model.lastIndexOf("@"));

const SCORED_TASKS: readonly (readonly [string, string])[] = [
  ["crystals/visible", "visible"],
  ["crystals/uv", "UV"],
];

/** Which models score a plate where none is named: `visible: a-head-2, UV: drops-compact`, or one name for both. */
export function whoScores(roles: readonly Pick<ModelRoles, "task" | "production" | "default_model">[]): string {
  const found = SCORED_TASKS.flatMap(([task, light]) => {
    const of = roles.find((one) => one.task === task);
    if (of === undefined) return [];
    return [{ light, name: of.production === null ? of.default_model : nameOf(of.production.model) }];
  });
  const names = new Set(found.map(({ name }) => name));
  return names.size === 1 ? [...names].join("") : found.map(({ light, name }) => `${light}: ${name}`).join(", ");
}

const LOOP_KINDS: ReadonlySet<string> = new Set(["loop.train", "loop.dataset", "loop.drift"]);

/** The jobs of the loop that are not done yet, and about this task. */
export const loopJobs = (jobs: readonly Job[], task: string): Job[] =>
  jobs.filter(
    (job) => !isFinal(job.state) && LOOP_KINDS.has(job.kind) && job.subject.startsWith(task),
  );

/** Why the newest training of a task came to nothing, where not even its beginning was recorded. */
export function failedTraining(jobs: readonly Job[], task: string): string | undefined {
  const newest = jobs.find((job) => job.kind === "loop.train" && job.subject.startsWith(task));
  return newest?.state === "failed" ? newest.message : undefined;
}

/** The newest decision that was asked for about a model, while it is made or after it failed. */
export function decisionAbout(jobs: readonly Job[], model: string): Job | undefined {
  const newest = jobs.find((job) => job.kind === "loop.promote" && job.subject === model);
  return newest?.state === "succeeded" ? undefined : newest;
}
