/** One drop of a plate map as it is shown: which probability, in which words. */
import type { PlateMapCell } from "../api/client";
import { isOpen, spokenDisagreement } from "./disagreements";
import { percent } from "./format";
import { labelName } from "./labels";

export type Shown = "combined" | "visible" | "uv";

export function probabilityOf(cell: PlateMapCell, shown: Shown): number | null {
  switch (shown) {
    case "combined":
      return cell.probability;
    case "visible":
      return cell.visible_probability;
    case "uv":
      return cell.uv_probability;
  }
}

export const dropName = (cell: { readonly well: string; readonly drop: number }, dropsPerWell: number): string =>
  dropsPerWell > 1 ? `${cell.well} drop ${cell.drop}` : cell.well;

/** What a screen reader says of a drop. */
export function spokenCell(cell: PlateMapCell, shown: Shown, threshold: number | undefined): string {
  const probability = probabilityOf(cell, shown);
  const parts = [`${cell.well} drop ${cell.drop}`];
  parts.push(probability === null ? "not scored" : percent(probability));
  if (probability !== null && threshold !== undefined && probability >= threshold) parts.push("hit");
  if (cell.label !== null) parts.push(`person: ${labelName(cell.label_scheme, cell.label)}`);
  if (isOpen(cell.disagreement)) parts.push(spokenDisagreement(cell.disagreement));
  if (cell.error !== null) parts.push(cell.error);
  return parts.join(", ");
}

/** The kind of mark that a person's score gets on the map. */
export function markOf(cell: Pick<PlateMapCell, "label" | "label_is_crystal">): "crystal" | "other" | "unsure" | undefined {
  if (cell.label === null) return undefined;
  if (cell.label_is_crystal === null) return "unsure";
  return cell.label_is_crystal ? "crystal" : "other";
}

export const dropUrl = (
  plateId: number,
  dropId: number,
  options: { inspection?: number | string | undefined; order?: string | undefined; scoring?: number | undefined } = {},
): string => {
  const params = new URLSearchParams();
  if (options.inspection !== undefined && options.inspection !== "best") {
    params.set("inspection", String(options.inspection));
  }
  if (options.order !== undefined && options.order !== "plate") params.set("order", options.order);
  if (options.scoring !== undefined) params.set("scoring", String(options.scoring));
  const query = params.toString();
  return `/plates/${plateId}/drops/${dropId}${query === "" ? "" : `?${query}`}`;
};
