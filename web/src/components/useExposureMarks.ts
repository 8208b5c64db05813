/** Marks of exposures, shown at once and sent behind; and a way back for whatever was done last. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef } from "react";
import { client, type ExposureMark, type Limits, unwrap } from "../api/client";
import * as queries from "../api/exposureQueries";
import { count, plural } from "../logic/format";
import { showError, showToast } from "./toasts";
import { keep, type Mark } from "./useExposureView";

interface Undoable {
  readonly what: string;
  readonly undo: () => Promise<void>;
}

// One stack for both pages: what was done on one can be taken back on the other.
const done: Undoable[] = [];
const MOST = 100;

export function useUndo(): { readonly push: (one: Undoable) => void; readonly undo: () => void } {
  const busy = useRef(false);
  return {
    push: (one) => {
      done.push(one);
      if (done.length > MOST) done.shift();
    },
    undo: () => {
      if (busy.current) return;
      const last = done.pop();
      if (last === undefined) {
        showToast({ text: "There is nothing to undo." });
        return;
      }
      busy.current = true;
      last
        .undo()
        .then(
          () => {
            showToast({ text: `Undone: ${last.what}` });
          },
          (error: unknown) => {
            showError("That could not be undone", error);
          },
        )
        .finally(() => {
          busy.current = false;
        });
    },
  };
}

const NO_MARKS: ReadonlyMap<number, Mark> = new Map();

export function useExposureMarks(sessionId: number) {
  const cache = useQueryClient();
  const { push } = useUndo();
  const key = queries.exposureMarks(sessionId).queryKey;
  const query = useQuery(queries.exposureMarks(sessionId));
  const marks = useMemo<ReadonlyMap<number, Mark>>(
    () => (query.data === undefined ? NO_MARKS : new Map(query.data.map((mark) => [mark.exposure_id, mark.label]))),
    [query.data],
  );
  const refresh = () => cache.invalidateQueries({ queryKey: key });
  const give = useMutation({
    mutationFn: ({ ids, label }: { ids: readonly number[]; label: Mark }) =>
      unwrap(client.POST("/api/v1/exposures/marks", { body: { exposure_ids: [...ids], label } })),
    onMutate: async ({ ids, label }) => {
      await cache.cancelQueries({ queryKey: key });
      cache.setQueryData<ExposureMark[]>(key, (before = []) => [
        ...before.filter((mark) => !ids.includes(mark.exposure_id)),
        ...ids.map((id) => ({ id: -id, exposure_id: id, label, annotator: "" })),
      ]);
    },
    onSuccess: (given, { ids, label }) => {
      push({
        what: `${plural(ids.length, "exposure")} marked ${label}`,
        undo: async () => {
          await unwrap(client.POST("/api/v1/exposures/marks/withdraw", { body: { mark_ids: given.map((mark) => mark.id) } }));
          await refresh();
        },
      });
    },
    onError: (error) => {
      showError("The mark could not be kept", error);
    },
    onSettled: refresh,
  });
  return {
    marks,
    mark: (ids: readonly number[], label: Mark) => {
      if (ids.length > 0) give.mutate({ ids, label });
    },
  };
}

/** Sets limits on the server; every exposure is judged by them, and there is a way back. */
export function useSetLimits(sessionId: number, held: Limits | undefined) {
  const cache = useQueryClient();
  const { push, undo } = useUndo();
  const send = async (limits: Limits, origin: string) => {
    const answer = await unwrap(
      client.PUT("/api/v1/exposures/sessions/{session_id}/limits", {
        params: { path: { session_id: sessionId } },
        body: { limits, origin },
      }),
    );
    // They hold from now on; what else the server says of them comes when it comes.
    cache.setQueryData(queries.exposureSession(sessionId).queryKey, (old) => (old === undefined ? old : { ...old, limits }));
    for (const what of ["session", "columns", "places"]) {
      void cache.invalidateQueries({ queryKey: ["exposures", what, sessionId] });
    }
    void cache.invalidateQueries({ queryKey: ["exposures", "one"] });
    return answer;
  };
  return useMutation({
    mutationFn: ({ limits, origin = "" }: { limits: Limits; origin?: string }) => send(limits, origin),
    onSuccess: (answer) => {
      keep(sessionId, { draft: undefined });
      if (held !== undefined) {
        push({
          what: "the new limits",
          undo: async () => {
            await send(held, "as before");
          },
        });
      }
      showToast({
        text: `${count(answer.problematic)} of ${count(answer.exposures)} are problematic now; ${count(answer.before)} were.`,
        action: { name: "Undo", key: "z", run: undo },
      });
    },
    onError: (error) => {
      showError("The limits could not be set", error);
    },
  });
}
