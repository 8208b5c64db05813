/** A curator's sitting: the items that wait, answers stored in the background, and the last one taken back. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, client, type CurationItem, unwrap } from "../api/client";
import * as queries from "../api/queries";
import type { CuratorChoice } from "../logic/curation";
import { showError, showToast } from "./toasts";

const CONFLICT = 409;
const REFILL_BELOW = 6;
const MOST_SECONDS = 86_400;

export interface Sitting {
  readonly query: ReturnType<typeof useQuery<{ items: CurationItem[]; open_for_curator: number }>>;
  readonly items: readonly CurationItem[];
  readonly left: number;
  /** When each answer of this sitting was given, in milliseconds. */
  readonly answeredAt: readonly number[];
  readonly answer: (item: CurationItem, choice: CuratorChoice, seconds: number) => void;
  readonly later: (item: CurationItem) => void;
  readonly undo: () => void;
}

/** @param wanted An item to begin with, if it waits for this curator. */
export function useCuration(curator: string, wanted?: number): Sitting {
  const cache = useQueryClient();
  const query = useQuery(queries.nextCurationItems(curator, wanted));
  // What was answered here is gone at once, whatever the server's last list says.
  const [gone, setGone] = useState<ReadonlySet<number>>(new Set());
  const [behind, setBehind] = useState<readonly number[]>([]);
  const [first, setFirst] = useState<CurationItem>();
  const [answeredAt, setAnsweredAt] = useState<readonly number[]>([]);

  const waiting = (query.data?.items ?? []).filter(({ id }) => !gone.has(id) && id !== first?.id);
  const ordered = [
    ...waiting.filter(({ id }) => !behind.includes(id)),
    ...behind.flatMap((id) => waiting.filter((item) => item.id === id)),
  ];
  const items = first === undefined ? ordered : [first, ...ordered];

  const refresh = () => cache.invalidateQueries({ queryKey: ["curation"] });
  const put = (id: number, isGone: boolean) => {
    setGone((old) => {
      const next = new Set(old);
      if (isGone) next.add(id);
      else next.delete(id);
      return next;
    });
  };

  const answer = (item: CurationItem, choice: CuratorChoice, seconds: number) => {
    put(item.id, true);
    setFirst(undefined);
    setAnsweredAt((old) => [...old, performance.now()]);
    const stored = unwrap(
      client.POST("/api/v1/curation/items/{curation_item_id}/answers", {
        params: { path: { curation_item_id: item.id } },
        body: {
          curator,
          answer: choice.answer,
          crystal_type: choice.crystalType,
          seconds: Math.min(MOST_SECONDS, Math.round(seconds * 10) / 10),
        },
      }),
    );
    stored.then(
      () => {
        if (items.length <= REFILL_BELOW) void refresh();
      },
      (error: unknown) => {
        setAnsweredAt((old) => old.slice(0, -1));
        if (error instanceof ApiError && error.status === CONFLICT) {
          // Somebody else closed it meanwhile: nothing is lost, and there is nothing to do again.
          showToast({ text: `${item.barcode} ${item.well}: ${error.message}`, bad: true });
          void refresh();
          return;
        }
        put(item.id, false);
        setFirst(item);
        showError(`The answer to ${item.barcode} ${item.well} was not stored`, error);
      },
    );
  };

  const undo = () => {
    const takenBack = unwrap(client.POST("/api/v1/curation/undo", { body: { curator } }));
    takenBack.then(
      (item) => {
        put(item.id, false);
        setFirst(item);
        setAnsweredAt((old) => old.slice(0, -1));
        showToast({ text: `Taken back: ${item.barcode} ${item.well}` });
        void refresh();
      },
      (error: unknown) => {
        showError("Nothing was taken back", error);
      },
    );
  };

  return {
    query,
    items,
    left: Math.max(items.length, (query.data?.open_for_curator ?? 0) - countGone(query.data?.items, gone)),
    answeredAt,
    answer,
    later: (item) => {
      setFirst(undefined);
      setBehind((old) => [...old.filter((id) => id !== item.id), item.id]);
    },
    undo,
  };
}

function countGone(items: readonly CurationItem[] | undefined, gone: ReadonlySet<number>): number {
  return (items ?? []).filter(({ id }) => gone.has(id)).length;
}
