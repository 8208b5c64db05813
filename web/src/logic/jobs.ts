/** Jobs in words. */
import type { Job } from "../api/client";

const TITLES: Readonly<Record<string, string>> = {
  "crystals.import": "Importing",
  "crystals.score": "Scoring",
  "loop.dataset": "Building data set",
  "loop.drift": "Looking for drift in",
  "loop.train": "Training on",
  "loop.promote": "Judging",
  "particles.scan": "Looking through",
  "particles.pick": "Picking",
  "particles.train": "Training",
};

export const jobTitle = (job: Pick<Job, "kind">): string => TITLES[job.kind] ?? job.kind;

export const isFinal = (state: Job["state"]): boolean =>
  state === "succeeded" || state === "failed" || state === "canceled";
