import { describe, expect, it } from "vitest";
import type { Job, ModelRoles } from "../api/client";
import {
  comparedMetrics,
  decisionAbout,
  diffInWords,
  failedTraining,
  loopJobs,
  nameOf,
  partCounts,
  progressOf,
  testSetSize,
  verdictOf,
  whoScores,
} from "./learning";

const recall = { value: 0.8, low: 0.7, high: 0.9 };
const evidence = {
  verdict: {
    passed: false,
    current: "drops-compact@aa",
    candidate: "head-1@bb",
    checks: [
      { name: "test set", passed: false, reason: "the test set holds 3 images of 'crystal', 20 are needed" },
      { name: "speed", passed: true, reason: "fast" },
    ],
  },
  comparison: {
    current: { metrics: { recall } },
    candidate: { metrics: { recall, auc: { value: 0.9, low: 0.8 } }, items: 24, review_load: { groups: 2 } },
    differences: { recall: { value: 0, low: -0.1, high: 0.1 } },
  },
};

function job(kind: string, subject: string, state: Job["state"], message = ""): Job {
  return {
    id: `${kind} ${subject} ${state}`,
    kind,
    subject,
    state,
    done: 0,
    total: null,
    message,
    created_at: "2026-01-01T00:00:00Z",
    started_at: null,
    finished_at: null,
  };
}

const roles = (task: string, production: string | undefined) => ({
  task,
  default_model: "drops-compact",
  production: production === undefined ? null : ({ model: production } as ModelRoles["production"]),
});

describe("evidence", () => {
  it("holds the gate's verdict with its reasons", () => {
    const verdict = verdictOf(evidence);
    expect(verdict?.passed).toBe(false);
    expect(verdict?.checks.map(({ name, passed }) => [name, passed])).toEqual([
      ["test set", false],
      ["speed", true],
    ]);
    expect(verdict?.checks[0]?.reason).toContain("20 are needed");
  });

  it("is none where nothing was judged", () => {
    expect(verdictOf({})).toBeUndefined();
    expect(verdictOf({ verdict: { passed: true } })).toBeUndefined();
    expect(verdictOf({ verdict: { checks: [{}] } })?.checks).toEqual([{ name: "", passed: false, reason: "" }]);
    expect(testSetSize({})).toBeUndefined();
    expect(comparedMetrics({ comparison: null })).toEqual([]);
  });

  it("is compared metric by metric, those with a whole interval only", () => {
    expect(comparedMetrics(evidence)).toEqual([
      { key: "recall", name: "Recall", current: recall, candidate: recall, difference: { value: 0, low: -0.1, high: 0.1 } },
    ]);
    expect(testSetSize(evidence)).toEqual({ images: 24, groups: 2 });
  });

  it("tells how far a training is only where that was measured", () => {
    expect(progressOf({ progress: { step: 2, steps: 9, loss: 0.5 } })).toEqual({ step: 2, steps: 9, loss: 0.5 });
    expect(progressOf({ progress: { step: 2, steps: 9 } })).toBeUndefined();
  });
});

describe("data sets", () => {
  it("are told part by part, in their order, without empty parts", () => {
    const counts = {
      partitions: {
        test: { images: 4, groups: 1, labels: { other: 4 } },
        train: { images: 6, groups: 2, labels: { crystal: 2, other: 4 } },
        validation: { images: 0, groups: 0, labels: {} },
      },
    };
    expect(partCounts(counts)).toEqual([
      {
        part: "train",
        images: 6,
        groups: 2,
        labels: [
          ["crystal", 2],
          ["other", 4],
        ],
      },
      { part: "test", images: 4, groups: 1, labels: [["other", 4]] },
    ]);
    expect(partCounts({})).toEqual([]);
  });

  it("differ in words, in which nothing that is zero is named", () => {
    const counts = { added: { crystal: 1, other: 2 }, removed: {}, relabelled: { crystal: 0 }, unchanged: 7 };
    expect(diffInWords(counts)).toEqual(["3 added (crystal 1, other 2)", "7 unchanged"]);
  });
});

describe("models and jobs", () => {
  it("are named without their version", () => {
    expect(nameOf("a-head-3@1a2b")).toBe("a-head-3");
  });

  it("that score where none is named are those in production, else the default", () => {
    expect(whoScores([roles("crystals/uv", undefined), roles("crystals/visible", undefined)])).toBe("drops-compact");
    expect(whoScores([roles("crystals/uv", undefined), roles("crystals/visible", "head-2@cc")])).toBe(
      "visible: head-2, UV: drops-compact",
    );
    expect(whoScores([roles("grids/holes", "other@1")])).toBe("");
  });

  it("are shown under their task until they end", () => {
    const jobs = [
      job("loop.train", "crystals/visible (fast-head)", "running"),
      job("loop.train", "crystals/uv (fast-head)", "running"),
      job("loop.dataset", "crystals/visible", "succeeded"),
      job("crystals.score", "crystals/visible", "queued"),
    ];
    expect(loopJobs(jobs, "crystals/visible").map(({ id }) => id)).toEqual([
      "loop.train crystals/visible (fast-head) running",
    ]);
  });

  it("say why a decision or a training failed until the next one is made", () => {
    const refused = job("loop.promote", "head-1", "failed", "the gate refuses");
    expect(decisionAbout([refused], "head-1")?.message).toBe("the gate refuses");
    expect(decisionAbout([job("loop.promote", "head-1", "succeeded"), refused], "head-1")).toBeUndefined();
    const failed = job("loop.train", "crystals/visible#1 (fast-head)", "failed", "label some more");
    expect(failedTraining([failed], "crystals/visible")).toBe("label some more");
    expect(failedTraining([failed], "crystals/uv")).toBeUndefined();
    expect(failedTraining([job("loop.train", "crystals/visible", "running"), failed], "crystals/visible")).toBeUndefined();
  });
});
