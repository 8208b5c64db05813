/** A person's sitting at a queue: what waits, answers stored in the background, and the last one taken back. */
import { useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useEffect, useEffectEvent, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { showError, showToast } from "./toasts";

const CONFLICT = 409;
const REFILL_BELOW = 6;
const MOST_SECONDS = 86_400;
const MS = 1000;

/** The head of a queue as the server tells it to one person. */
export interface Waiting<Item> {
  readonly items: readonly Item[];
  readonly open_for_curator: number;
}

export interface SittingAt<Item, Answer> {
  readonly query: UseQueryResult<Waiting<Item>>;
  /** What the keys of all queries begin with that an answer changes. */
  readonly key: readonly string[];
  readonly nameOf: (item: Item) => string;
  readonly store: (item: Item, answer: Answer, seconds: number) => Promise<unknown>;
  readonly takeBack: () => Promise<Item>;
  /** Loads what an item needs, so that it is there when one gets to it. */
  readonly prefetch: (item: Item) => Promise<void>;
  /** How many of the items that follow are prefetched. */
  readonly ahead: number;
}

export interface Sitting<Item, Answer> {
  readonly query: UseQueryResult<Waiting<Item>>;
  readonly items: readonly Item[];
  readonly left: number;
  /** When each answer of this sitting was given, in milliseconds. */
  readonly answeredAt: readonly number[];
  readonly answer: (item: Item, answer: Answer, seconds: number) => void;
  readonly later: (item: Item) => void;
  readonly undo: () => void;
}

export function useSitting<Item extends { readonly id: number }, Answer>(
  at: SittingAt<Item, Answer>,
): Sitting<Item, Answer> {
  const { query } = at;
  const cache = useQueryClient();
  // What was answered here is gone at once, whatever the server's last list says.
  const [gone, setGone] = useState<ReadonlySet<number>>(new Set());
  const [behind, setBehind] = useState<readonly number[]>([]);
  const [first, setFirst] = useState<Item>();
  const [answeredAt, setAnsweredAt] = useState<readonly number[]>([]);

  const listed = query.data?.items ?? [];
  const waiting = listed.filter(({ id }) => !gone.has(id) && id !== first?.id);
  const ordered = [
    ...waiting.filter(({ id }) => !behind.includes(id)),
    ...behind.flatMap((id) => waiting.filter((item) => item.id === id)),
  ];
  const items = first === undefined ? ordered : [first, ...ordered];
  usePrefetch(items.slice(1, 1 + at.ahead), at.prefetch);

  const refresh = () => cache.invalidateQueries({ queryKey: at.key });
  const put = (id: number, isGone: boolean) => {
    setGone((old) => {
      const next = new Set(old);
      if (isGone) next.add(id);
      else next.delete(id);
      return next;
    });
  };

  const answer = (item: Item, said: Answer, seconds: number) => {
    put(item.id, true);
    setFirst(undefined);
    setAnsweredAt((old) => [...old, performance.now()]);
    at.store(item, said, Math.min(MOST_SECONDS, Math.round(seconds * 10) / 10)).then(
      () => {
        if (items.length <= REFILL_BELOW) void refresh();
      },
      (error: unknown) => {
        setAnsweredAt((old) => old.slice(0, -1));
        if (error instanceof ApiError && error.status === CONFLICT) {
          // Somebody else closed it meanwhile: nothing is lost, and there is nothing to do again.
          showToast({ text: `${at.nameOf(item)}: ${error.message}`, bad: true });
          void refresh();
          return;
        }
        put(item.id, false);
        setFirst(item);
        showError(`The answer to ${at.nameOf(item)} was not stored`, error);
      },
    );
  };

  const undo = () => {
    at.takeBack().then(
      (item) => {
        put(item.id, false);
        setFirst(item);
        setAnsweredAt((old) => old.slice(0, -1));
        showToast({ text: `Taken back: ${at.nameOf(item)}` });
        void refresh();
      },
      (error: unknown) => {
        showError("Nothing was taken back", error);
      },
    );
  };

  const later = (item: Item) => {
    if (items.length < 2) {
      showToast({ text: "This is the last one" });
      return;
    }
    setFirst(undefined);
    setBehind((old) => [...old.filter((id) => id !== item.id), item.id]);
  };

  const goneOfListed = listed.filter(({ id }) => gone.has(id)).length;
  return {
    query,
    items,
    left: Math.max(items.length, (query.data?.open_for_curator ?? 0) - goneOfListed),
    answeredAt,
    answer,
    later,
    undo,
  };
}

function usePrefetch<Item extends { readonly id: number }>(
  items: readonly Item[],
  prefetch: (item: Item) => Promise<void>,
): void {
  const load = useEffectEvent(async () => {
    for (const item of items) await prefetch(item);
  });
  const wanted = items.map(({ id }) => id).join(" ");
  useEffect(() => {
    // What fails here fails again, visibly, when the item is shown.
    if (wanted !== "") load().catch(() => undefined);
  }, [wanted]);
}

/** How many seconds ago the component was first shown. */
export function useSecondsShown(): () => number {
  const since = useRef(0);
  useEffect(() => {
    since.current = performance.now();
  }, []);
  return useCallback(() => (performance.now() - since.current) / MS, []);
}
