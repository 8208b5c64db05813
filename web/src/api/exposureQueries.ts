/** What the pages of exposures ask the server. Columns come whole once; then only what has changed. */
import { queryOptions } from "@tanstack/react-query";
import { type Columns, decodeColumns, merged } from "../logic/exposures";
import { client, type ExposureDetail, type ExposureSessionDetail, type LearnedLimits, unwrap } from "./client";

// A process that was killed changes nothing in the store: only its silence tells.
const STATE_EVERY_MS = 20_000;

export const exposureSessions = () =>
  queryOptions({
    queryKey: ["exposures", "sessions"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/exposures/sessions", { signal })),
    staleTime: 0,
  });

export const exposureSession = (sessionId: number) =>
  queryOptions({
    queryKey: ["exposures", "session", sessionId],
    // The client's types make arrays of pairs.
    queryFn: async ({ signal }) =>
      (await unwrap(
        client.GET("/api/v1/exposures/sessions/{session_id}", { params: { path: { session_id: sessionId } }, signal }),
      )) as ExposureSessionDetail,
    refetchInterval: (query) => (query.state.data?.session.state === "running" ? STATE_EVERY_MS : false),
  });

export const exposureColumns = (sessionId: number) => {
  const queryKey = ["exposures", "columns", sessionId] as const;
  return queryOptions({
    queryKey,
    queryFn: async ({ signal, client: cache }): Promise<Columns> => {
      const ask = (since: string | undefined) =>
        unwrap(
          client.GET("/api/v1/exposures/sessions/{session_id}/columns", {
            params: { path: { session_id: sessionId }, query: since === undefined ? {} : { since } },
            signal,
          }),
        );
      const before = cache.getQueryData<Columns>(queryKey);
      const sent = await ask(before?.cursor);
      if (before === undefined || sent.whole) return decodeColumns(sent);
      const next = merged(before, decodeColumns(sent));
      // Rows that are gone are not told of: then everything is asked for again.
      return next.ids.length === sent.total ? next : decodeColumns(await ask(undefined));
    },
    structuralSharing: false,
  });
};

export const exposurePlaces = (sessionId: number) =>
  queryOptions({
    queryKey: ["exposures", "places", sessionId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/exposures/sessions/{session_id}/places", { params: { path: { session_id: sessionId } }, signal }),
      ),
  });

export const exposure = (exposureId: number) =>
  queryOptions({
    queryKey: ["exposures", "one", exposureId],
    queryFn: async ({ signal }) =>
      (await unwrap(
        client.GET("/api/v1/exposures/{exposure_id}", { params: { path: { exposure_id: exposureId } }, signal }),
      )) as ExposureDetail,
    staleTime: 0,
    enabled: exposureId > 0,
  });

export const exposureMarks = (sessionId: number) =>
  queryOptions({
    queryKey: ["exposures", "marks", sessionId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/exposures/sessions/{session_id}/marks", { params: { path: { session_id: sessionId } }, signal }),
      ),
    enabled: sessionId > 0,
  });

/** What marks say of the limits; they change it. */
export const learnedLimits = (sessionId: number) =>
  queryOptions({
    queryKey: ["exposures", "learned", sessionId],
    queryFn: async ({ signal }) =>
      (await unwrap(
        client.GET("/api/v1/exposures/sessions/{session_id}/learned-limits", {
          params: { path: { session_id: sessionId } },
          signal,
        }),
      )) as LearnedLimits,
    staleTime: 0,
    gcTime: 0,
  });
