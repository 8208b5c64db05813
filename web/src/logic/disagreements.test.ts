import { describe, expect, it } from "vitest";
import type { Disagreement } from "../api/client";
import { countDisagreements, curateUrl, isOpen, nextDisagreement, spokenDisagreement, stateInWords } from "./disagreements";

function one(state: Disagreement["state"], more: Partial<Disagreement> = {}): { disagreement: Disagreement } {
  return {
    disagreement: {
      inspection: 2,
      human_label: "other",
      probability: 0.934,
      state,
      curation_item_id: null,
      settled_label: null,
      ...more,
    },
  };
}
const agreed = { disagreement: null };

describe("disagreements", () => {
  it("are open until curators have settled them or could not", () => {
    const open = [one("unasked"), one("queued"), one("settled"), one("undecided")].map(({ disagreement }) =>
      isOpen(disagreement),
    );
    expect(open).toEqual([true, true, false, false]);
    expect(isOpen(null)).toBe(false);
  });

  it("are counted by what became of them", () => {
    expect(countDisagreements([agreed, one("unasked"), one("queued"), one("queued"), one("settled"), one("undecided")])).toEqual(
      { open: 3, queued: 2, settled: 1, undecided: 1 },
    );
    expect(countDisagreements([]).open).toBe(0);
  });

  it("are stepped over in order and around the end", () => {
    const cells = [agreed, one("queued"), one("settled"), one("unasked"), agreed];
    expect(nextDisagreement(cells, -1)).toBe(1);
    expect(nextDisagreement(cells, 1)).toBe(3);
    expect(nextDisagreement(cells, 3)).toBe(1);
    expect(nextDisagreement([agreed, one("queued")], 1)).toBe(1);
    expect(nextDisagreement([agreed, one("settled")], 0)).toBe(-1);
    expect(nextDisagreement([], -1)).toBe(-1);
  });

  it("are put into words", () => {
    expect(stateInWords(one("settled", { settled_label: "crystal" }).disagreement)).toBe("Curators settled it: crystal");
    expect(stateInWords(one("queued").disagreement)).toBe("Waits for curators");
    expect(spokenDisagreement(one("queued").disagreement)).toBe("disagreement: person other, model 93 %");
  });

  it("lead to their item where there is one", () => {
    expect(curateUrl(one("queued", { curation_item_id: 7 }).disagreement)).toBe("/curation?item=7");
    expect(curateUrl(one("queued").disagreement)).toBeUndefined();
  });
});
