import { expect, test } from "vitest";
import { points, settledBy } from "./why";

test("changes of probability are points with a sign", () => {
  expect(points(0.123)).toBe("+12 points");
  expect(points(-0.02)).toBe("−2.0 points");
  expect(points(0)).toBe("0.0 points");
});

test("a label says what it rests on and who said so", () => {
  expect(settledBy({ source: "imported", said: [] })).toBe("came with a published data set");
  expect(
    settledBy({
      source: "curated",
      said: [
        { name: "Ada", part: "curator", answer: "crystal" },
        { name: "Max", part: "curator", answer: "crystal" },
      ],
    }),
  ).toBe("settled by curators (Ada: crystal, Max: crystal)");
});
