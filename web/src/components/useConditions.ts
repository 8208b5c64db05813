/** A curator's sitting with exposures: what waits, answers stored in the background, and the last one taken back. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, client, type ConditionItem, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { showError, showToast } from "./toasts";

const CONFLICT = 409;
const REFILL_BELOW = 6;
const MOST_SECONDS = 86_400;

export interface ConditionSitting {
  readonly pending: boolean;
  readonly error: Error | null;
  readonly items: readonly ConditionItem[];
  readonly left: number;
  readonly answeredAt: readonly number[];
  readonly answer: (item: ConditionItem, answer: string, seconds: number) => void;
  readonly later: (item: ConditionItem) => void;
  readonly undo: () => void;
  readonly refresh: () => void;
}

export function useConditions(curator: string): ConditionSitting {
  const cache = useQueryClient();
  const query = useQuery(queries.nextExposures(curator));
  // What was answered here is gone at once, whatever the server's last list says.
  const [gone, setGone] = useState<ReadonlySet<number>>(new Set());
  const [behind, setBehind] = useState<readonly number[]>([]);
  const [first, setFirst] = useState<ConditionItem>();
  const [answeredAt, setAnsweredAt] = useState<readonly number[]>([]);

  const listed = query.data?.items ?? [];
  const waiting = listed.filter(({ id }) => !gone.has(id) && id !== first?.id);
  const ordered = [
    ...waiting.filter(({ id }) => !behind.includes(id)),
    ...behind.flatMap((id) => waiting.filter((item) => item.id === id)),
  ];
  const items = first === undefined ? ordered : [first, ...ordered];
  const refresh = () => cache.invalidateQueries({ queryKey: ["curation", "exposures"] });
  const put = (id: number, isGone: boolean) => {
    setGone((old) => {
      const next = new Set(old);
      if (isGone) next.add(id);
      else next.delete(id);
      return next;
    });
  };

  const answer = (item: ConditionItem, said: string, seconds: number) => {
    put(item.id, true);
    setFirst(undefined);
    setAnsweredAt((old) => [...old, performance.now()]);
    unwrap(
      client.POST("/api/v1/curation/exposures/items/{curation_item_id}/answers", {
        params: { path: { curation_item_id: item.id } },
        body: { curator, answer: said, seconds: Math.min(MOST_SECONDS, Math.round(seconds * 10) / 10) },
      }),
    ).then(
      () => {
        if (items.length <= REFILL_BELOW) void refresh();
      },
      (error: unknown) => {
        setAnsweredAt((old) => old.slice(0, -1));
        if (error instanceof ApiError && error.status === CONFLICT) {
          // Somebody else closed it meanwhile: nothing is lost, and there is nothing to do again.
          showToast({ text: `${item.name}: ${error.message}`, bad: true });
          void refresh();
          return;
        }
        put(item.id, false);
        setFirst(item);
        showError(`The answer to ${item.name} was not stored`, error);
      },
    );
  };

  const undo = () => {
    unwrap(client.POST("/api/v1/curation/exposures/undo", { body: { curator } })).then(
      (item) => {
        put(item.id, false);
        setFirst(item);
        setAnsweredAt((old) => old.slice(0, -1));
        showToast({ text: `Taken back: ${item.name}` });
        void refresh();
      },
      (error: unknown) => {
        showError("Nothing was taken back", error);
      },
    );
  };

  return {
    pending: query.isPending,
    error: query.error,
    items,
    left: Math.max(items.length, (query.data?.open_for_curator ?? 0) - listed.filter(({ id }) => gone.has(id)).length),
    answeredAt,
    answer,
    later: (item) => {
      setFirst(undefined);
      setBehind((old) => [...old.filter((id) => id !== item.id), item.id]);
    },
    undo,
    refresh: () => {
      void refresh();
    },
  };
}
