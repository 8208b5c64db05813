/** What somebody looks at of a session: filter, order and selection, shared by the dashboard and the exposure's page. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { useSearchParams } from "react-router";
import type { Limits } from "../api/client";
import * as queries from "../api/exposureQueries";
import { type Columns, type Filter, type Kind, passing, sorted, type Sorting } from "../logic/exposures";
import { judgeAll, sameLimits, type Verdicts } from "../logic/judging";

export type Mark = "good" | "bad";
const KINDS: readonly Kind[] = ["all", "fine", "problematic", "failed", "marked"];

interface Kept {
  /** Ids of exposures that were chosen in a plot; empty: all that pass the filter are listed. */
  readonly selected: ReadonlySet<number>;
  /** The exposure that is looked at; undefined: the newest. */
  readonly chosen: number | undefined;
  /** Limits that are tried out and not set. */
  readonly draft: Limits | undefined;
}

const NOTHING: Kept = { selected: new Set(), chosen: undefined, draft: undefined };
const kept = new Map<number, Kept>();
const listeners = new Set<() => void>();

export function keep(sessionId: number, change: Partial<Kept>): void {
  kept.set(sessionId, { ...(kept.get(sessionId) ?? NOTHING), ...change });
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
export const useKeptView = (sessionId: number): Kept =>
  useSyncExternalStore(subscribe, () => kept.get(sessionId) ?? NOTHING);

export interface Listing {
  readonly filter: Filter;
  readonly sorting: Sorting;
  readonly set: (change: Record<string, string | undefined>) => void;
  /** As the address has it, `?` included where there is any. */
  readonly search: string;
}

/** Filter and order as the address has them. */
export function useListing(): Listing {
  const [params, setParams] = useSearchParams();
  const kind = KINDS.find((one) => one === params.get("kind")) ?? "all";
  const square = params.get("square") ?? undefined;
  const grid = params.get("grid") ?? undefined;
  const search = params.get("q") ?? "";
  const by = params.get("sort") ?? "time";
  const descending = params.get("down") !== "0";
  const filter = useMemo(() => ({ kind, square, grid, search }), [kind, square, grid, search]);
  const sorting = useMemo(() => ({ by, descending }), [by, descending]);
  const text = params.toString();
  return {
    filter,
    sorting,
    search: text === "" ? "" : `?${text}`,
    set: (change) => {
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [name, value] of Object.entries(change)) {
            if (value === undefined || value === "") next.delete(name);
            else next.set(name, value);
          }
          return next;
        },
        { replace: true },
      );
    },
  };
}

export interface Judged {
  readonly limits: Limits | undefined;
  readonly verdicts: Verdicts;
  readonly drafted: boolean;
}

const NO_VERDICTS: Verdicts = { problematic: new Float32Array(), why: new Int8Array() };

/** Every exposure by the limits that are tried out, or by those that hold. */
export function useJudged(columns: Columns | undefined, limits: Limits | undefined, draft: Limits | undefined): Judged {
  const drafted = draft !== undefined && limits !== undefined && !sameLimits(draft, limits);
  const used = drafted ? draft : limits;
  const verdicts = useMemo(
    () => (columns === undefined || used === undefined ? NO_VERDICTS : judgeAll(columns, used)),
    [columns, used],
  );
  return { limits: used, verdicts, drafted };
}

/** Everything that both pages need of a session. */
export function useExposureView(sessionId: number, marks: ReadonlyMap<number, unknown>) {
  const detail = useQuery(queries.exposureSession(sessionId));
  const query = useQuery(queries.exposureColumns(sessionId));
  const view = useKeptView(sessionId);
  const listing = useListing();
  const columns = query.data;
  const judged = useJudged(columns, detail.data?.limits, view.draft);
  const { problematic } = judged.verdicts;
  const { filter, sorting } = listing;
  const shown = useMemo(
    () => (columns === undefined ? new Uint8Array() : passing(columns, problematic, marks, filter)),
    [columns, problematic, marks, filter],
  );
  const rows = useMemo(() => {
    if (columns === undefined) return [];
    const wanted: number[] = [];
    for (let row = 0; row < shown.length; row += 1) {
      if (shown[row] === 1 && (view.selected.size === 0 || view.selected.has(columns.ids[row] ?? -1))) wanted.push(row);
    }
    return sorted(columns, problematic, wanted, sorting);
  }, [columns, problematic, shown, view.selected, sorting]);
  return { detail, query, columns, view, listing, judged, shown, rows };
}
