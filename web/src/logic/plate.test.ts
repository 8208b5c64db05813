import { describe, expect, it } from "vitest";
import { comparePlaces, moveOnPlate, type Move, rankOrder, rowLetters } from "./plate";

// Two rows of three wells with drops 1 and 3; B02 drop 3 and all of B03 were never imaged.
const cells = [0, 1].flatMap((row) =>
  [0, 1, 2].flatMap((column) => [1, 3].map((drop) => ({ row, column, drop }))),
).filter((cell) => !(cell.row === 1 && (cell.column === 2 || (cell.column === 1 && cell.drop === 3))));

const at = (row: number, column: number, drop: number) =>
  cells.findIndex((cell) => comparePlaces(cell, { row, column, drop }) === 0);

describe("moving on a plate", () => {
  it.each<[string, Move, number, number]>([
    ["right to the next drop", "right", at(0, 0, 1), at(0, 0, 3)],
    ["right to the next well", "right", at(0, 0, 3), at(0, 1, 1)],
    ["right to the next row", "right", at(0, 2, 3), at(1, 0, 1)],
    ["left back", "left", at(1, 0, 1), at(0, 2, 3)],
    ["down to the same drop", "down", at(0, 0, 3), at(1, 0, 3)],
    ["down to another drop of the well where the same one is missing", "down", at(0, 1, 3), at(1, 1, 1)],
    ["nowhere where the column has none below", "down", at(0, 2, 1), at(0, 2, 1)],
    ["up", "up", at(1, 1, 1), at(0, 1, 1)],
    ["to the end of the row", "rowEnd", at(0, 0, 1), at(0, 2, 3)],
    ["to the start of the row", "rowStart", at(1, 1, 1), at(1, 0, 1)],
    ["to the first", "first", at(1, 1, 1), 0],
    ["to the last", "last", 0, cells.length - 1],
    ["not beyond the first", "left", 0, 0],
  ])("goes %s", (_, move, from, to) => {
    expect(moveOnPlate(cells, from, move)).toBe(to);
  });

  it("starts at the first cell when nothing was chosen, and copes with an empty plate", () => {
    expect(moveOnPlate(cells, -1, "down")).toBe(0);
    expect(moveOnPlate([], -1, "down")).toBe(-1);
  });
});

describe("names and ranks", () => {
  it("letters rows as plates do", () => {
    expect([0, 7, 25, 26, 31].map(rowLetters)).toEqual(["A", "H", "Z", "AA", "AF"]);
  });

  it("ranks the likeliest first, keeps plate order between equals, and puts unscored drops last", () => {
    const ranked = rankOrder([
      { id: 1, probability: null },
      { id: 2, probability: 0 },
      { id: 3, probability: 0.9 },
      { id: 4, probability: 0 },
    ]);
    expect(ranked.map((cell) => cell.id)).toEqual([3, 2, 4, 1]);
  });
});
