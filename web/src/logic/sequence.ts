/** The list that the drop viewer walks along, and what comes before and after in it. */
import type { HitsQuery } from "../api/queries";

export type Order = "plate" | "rank" | "hits" | "disagreements";

export interface Step {
  readonly plateId: number;
  readonly dropId: number;
}

export function orderOf(params: URLSearchParams): Order {
  const order = params.get("order");
  return order === "rank" || order === "hits" || order === "disagreements" ? order : "plate";
}

/** The ranked list that an address names: `plate=3`, `all=1` (also below the threshold), `unreviewed=1`. */
export function hitsQueryOf(params: URLSearchParams): HitsQuery {
  const plate = Number(params.get("plate"));
  return {
    plate: Number.isInteger(plate) && plate > 0 ? plate : undefined,
    belowThreshold: params.has("all"),
    unreviewed: params.has("unreviewed"),
  };
}

export interface Neighbours {
  /** Place in the list, from 1; 0 when the drop is not in it. */
  readonly position: number;
  readonly previous: Step | undefined;
  readonly next: Step | undefined;
}

export function neighbours(steps: readonly Step[], dropId: number): Neighbours {
  const index = steps.findIndex((step) => step.dropId === dropId);
  if (index < 0) return { position: 0, previous: undefined, next: steps[0] };
  return { position: index + 1, previous: steps[index - 1], next: steps[index + 1] };
}
