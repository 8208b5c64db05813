/** Where the keyboard goes on a plate: cells in reading order, some of which may be missing. */

export interface Place {
  readonly row: number;
  readonly column: number;
  readonly drop: number;
}

export type Move = "left" | "right" | "up" | "down" | "rowStart" | "rowEnd" | "first" | "last";

export function comparePlaces(a: Place, b: Place): number {
  return a.row - b.row || a.column - b.column || a.drop - b.drop;
}

/**
 * Index of the cell that a move from `index` leads to. Left and right go through drops and wells in reading order and
 * on to the next row; up and down keep column and drop and skip rows where that cell is missing. Stays at the edges.
 */
export function moveOnPlate(cells: readonly Place[], index: number, move: Move): number {
  const here = cells[index];
  if (here === undefined) return cells.length > 0 ? 0 : -1;
  const last = cells.length - 1;
  switch (move) {
    case "left":
      return Math.max(0, index - 1);
    case "right":
      return Math.min(last, index + 1);
    case "first":
      return 0;
    case "last":
      return last;
    case "rowStart":
      return cells.findIndex((cell) => cell.row === here.row);
    case "rowEnd":
      return cells.findLastIndex((cell) => cell.row === here.row);
    case "up":
    case "down":
      return nextRow(cells, here, move) ?? index;
  }
}

function nextRow(cells: readonly Place[], here: Place, move: "up" | "down"): number | undefined {
  const below = move === "down";
  const inColumn = cells
    .map((cell, index) => ({ cell, index }))
    .filter(({ cell }) => cell.column === here.column && (below ? cell.row > here.row : cell.row < here.row));
  const sameDrop = inColumn.filter(({ cell }) => cell.drop === here.drop);
  const candidates = sameDrop.length > 0 ? sameDrop : inColumn;
  return (below ? candidates.at(0) : candidates.at(-1))?.index;
}

/** `A` for 0, `Z` for 25, `AA` for 26. */
export function rowLetters(row: number): string {
  const high = Math.floor(row / 26);
  return (high > 0 ? String.fromCharCode(64 + high) : "") + String.fromCharCode(65 + (row % 26));
}

/** Drops from the likeliest crystal down; those without a probability last, in plate order. */
export function rankOrder<T extends { readonly probability: number | null }>(cells: readonly T[]): T[] {
  return [...cells].sort((a, b) => (b.probability ?? -1) - (a.probability ?? -1));
}
