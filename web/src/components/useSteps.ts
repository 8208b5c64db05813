/** The list that the viewer walks along: the plate, its ranking, its disagreements, or a ranked list of hits. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { PlateMapCell } from "../api/client";
import * as queries from "../api/queries";
import { isOpen } from "../logic/disagreements";
import { rankOrder } from "../logic/plate";
import { hitsQueryOf, type Order, orderOf, type Step } from "../logic/sequence";

const FETCH_BEFORE_END = 10;

interface Steps {
  readonly steps: readonly Step[];
  readonly hasMore: boolean;
  /** To be called when `dropId` is shown: fetches more of the list before its end is reached. */
  readonly reached: (dropId: number) => void;
}

export function useSteps(plateId: number, params: URLSearchParams): Steps {
  const order = orderOf(params);
  const scoring = params.has("scoring") ? Number(params.get("scoring")) : undefined;
  const asked = hitsQueryOf(params);
  const map = useQuery({
    ...queries.plateMap(plateId, params.get("inspection") ?? "best", scoring),
    enabled: order !== "hits",
  }).data;
  const hits = useInfiniteQuery({ ...queries.hits(asked), enabled: order === "hits" });

  const fresh: readonly Step[] =
    order === "hits"
      ? (hits.data?.pages.flatMap((page) =>
          page.items.map((hit) => ({ plateId: hit.plate_id, dropId: hit.drop_id })),
        ) ?? [])
      : inOrder(map?.cells ?? [], order).map((cell) => ({
          plateId,
          dropId: cell.drop_id,
        }));
  const steps = useFrozen(
    order === "hits" ? `hits ${JSON.stringify(asked)}` : `${order} ${plateId} ${scoring ?? ""}`,
    fresh,
  );
  return {
    steps,
    hasMore: order === "hits" && hits.hasNextPage,
    reached: (dropId) => {
      const index = steps.findIndex((step) => step.dropId === dropId);
      const nearEnd = index >= steps.length - FETCH_BEFORE_END;
      if (order === "hits" && nearEnd && hits.hasNextPage && !hits.isFetchingNextPage) void hits.fetchNextPage();
    },
  };
}

function inOrder(cells: readonly PlateMapCell[], order: Order): readonly PlateMapCell[] {
  switch (order) {
    case "rank":
      return rankOrder(cells);
    case "disagreements":
      return cells.filter(({ disagreement }) => isOpen(disagreement));
    default:
      return cells;
  }
}

/**
 * The list as it was when it was first seen, with what joined it since at its end. Scoring a drop takes it out of
 * "nobody has scored", and new scores change ranks; under one's hands the list must stay as it is.
 */
function useFrozen(key: string, fresh: readonly Step[]): readonly Step[] {
  const [kept, setKept] = useState<{ key: string; steps: readonly Step[] }>({ key, steps: fresh });
  const old = kept.key === key ? kept.steps : [];
  const known = new Set(old.map((step) => step.dropId));
  const added = fresh.filter((step) => !known.has(step.dropId));
  if (kept.key === key && added.length === 0) return kept.steps;
  const next = { key, steps: [...old, ...added] };
  setKept(next);
  return next.steps;
}
