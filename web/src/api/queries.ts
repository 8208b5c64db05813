/** Everything the pages ask the server, with the keys under which answers are kept; of exposures: exposureQueries.ts. */
import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, type BuildDataset, client, type ImportRequest, type PlateFilter, type PlateOrder, type ReplayRequest, unwrap } from "./client";

export const PLATES_PER_PAGE = 50;
export const HITS_PER_PAGE = 60;

export interface PlatesQuery {
  readonly search: string;
  readonly state: PlateFilter;
  readonly sort: PlateOrder;
}

export interface HitsQuery {
  readonly plate: number | undefined;
  readonly belowThreshold: boolean;
  readonly unreviewed: boolean;
}

export const plates = (query: PlatesQuery) =>
  infiniteQueryOptions({
    queryKey: ["plates", query],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/plates", {
          params: { query: { ...query, offset: pageParam, limit: PLATES_PER_PAGE } },
          signal,
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last, pages) => {
      const seen = pages.reduce((sum, page) => sum + page.items.length, 0);
      return seen < last.total && last.items.length > 0 ? seen : undefined;
    },
    placeholderData: keepPreviousData,
  });

export const plate = (plateId: number) =>
  queryOptions({
    queryKey: ["plate", plateId],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/plates/{plate_id}", { params: { path: { plate_id: plateId } }, signal })),
  });

/** The map at an inspection (its number, or `best`), under one scoring (undefined: the newest). */
export const plateMap = (plateId: number, inspection = "best", scoring?: number) =>
  queryOptions({
    queryKey: ["map", plateId, inspection, scoring ?? "current"],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/plates/{plate_id}/map", {
          params: {
            path: { plate_id: plateId },
            query: scoring === undefined ? { inspection } : { inspection, scoring },
          },
          signal,
        }),
      ),
  });

export const plateProblems = (plateId: number) =>
  queryOptions({
    queryKey: ["problems", plateId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/plates/{plate_id}/problems", {
          params: { path: { plate_id: plateId }, query: { limit: 200 } },
          signal,
        }),
      ),
  });

export const allProblems = () =>
  queryOptions({
    queryKey: ["problems", "all"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/problems", { params: { query: { limit: 100 } }, signal })),
  });

export const drop = (dropId: number, scoring?: number) =>
  queryOptions({
    queryKey: ["drop", dropId, scoring ?? "current"],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/drops/{drop_id}", {
          params: { path: { drop_id: dropId }, query: scoring === undefined ? {} : { scoring } },
          signal,
        }),
      ),
  });

export const hits = (query: HitsQuery) =>
  infiniteQueryOptions({
    queryKey: ["hits", query],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/hits", {
          params: {
            query: {
              below_threshold: query.belowThreshold,
              unreviewed: query.unreviewed,
              offset: pageParam,
              limit: HITS_PER_PAGE,
              ...(query.plate === undefined ? {} : { plate: query.plate }),
            },
          },
          signal,
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last, pages) =>
      last.has_more ? pages.reduce((sum, page) => sum + page.items.length, 0) : undefined,
    placeholderData: keepPreviousData,
  });

export const models = () =>
  queryOptions({
    queryKey: ["models"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/models", { signal })),
  });

export const model = (name: string) =>
  queryOptions({
    queryKey: ["model", name],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/models/{name}", { params: { path: { name } }, signal })),
  });

export const jobs = () =>
  queryOptions({
    queryKey: ["jobs"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/jobs", { params: { query: { limit: 100 } }, signal })),
  });

export const layouts = () =>
  queryOptions({
    queryKey: ["layouts"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/layouts", { signal })),
    staleTime: Infinity,
  });

/** What an import would do; the files are looked at anew each time. */
export const importPreview = (request: ImportRequest) =>
  queryOptions({
    queryKey: ["imports", "preview", request],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/imports/preview", { body: request, signal })),
    staleTime: 0,
    gcTime: 0,
  });

export const importOutcome = (jobId: string) =>
  queryOptions({
    queryKey: ["imports", "outcome", jobId],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/imports/{job_id}", { params: { path: { job_id: jobId } }, signal })),
    staleTime: Infinity,
  });

export const info = () =>
  queryOptions({
    queryKey: ["info"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/info", { signal })),
    staleTime: Infinity,
  });

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // The server tells what changed (live.ts), so nothing is asked again by the clock.
        staleTime: 5 * 60_000,
        refetchOnWindowFocus: false,
        // The server is often on this machine: the browser's idea of being online says nothing about it.
        networkMode: "always",
        retry: (failures, error) => !(error instanceof ApiError) && failures < 2,
        retryDelay: 500,
      },
      mutations: { networkMode: "always" },
    },
  });
}

export const sessions = () =>
  queryOptions({
    queryKey: ["sessions"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/targeting/sessions", { signal })),
  });

export const session = (sessionId: string) =>
  queryOptions({
    queryKey: ["session", sessionId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/targeting/sessions/{session_id}", { params: { path: { session_id: sessionId } }, signal }),
      ),
    staleTime: Infinity,
  });

/** The same request has the same answer: nothing is asked twice. */
export const replay = (sessionId: string, request: ReplayRequest) =>
  queryOptions({
    queryKey: ["replay", sessionId, request],
    queryFn: ({ signal }) =>
      unwrap(
        client.POST("/api/v1/targeting/sessions/{session_id}/replay", {
          params: { path: { session_id: sessionId } },
          body: request,
          signal,
        }),
      ),
    staleTime: Infinity,
  });

export const particleProjects = () =>
  queryOptions({
    queryKey: ["particles", "projects"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/particles/projects", { signal })),
  });

export const particleProject = (projectId: number) =>
  queryOptions({
    queryKey: ["particles", "project", projectId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/particles/projects/{project_id}", { params: { path: { project_id: projectId } }, signal }),
      ),
  });

export const micrographs = (projectId: number, threshold: number) =>
  queryOptions({
    queryKey: ["particles", "micrographs", projectId, threshold],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/particles/projects/{project_id}/micrographs", {
          params: { path: { project_id: projectId }, query: { threshold } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });

/** What the project's model is expected to do; it changes with the model. */
export const expected = (projectId: number, model: string | undefined, version: string | null | undefined) =>
  queryOptions({
    queryKey: ["particles", "expected", projectId, model, version],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/particles/projects/{project_id}/expected", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
    enabled: model !== undefined,
  });

export const suggestions = (projectId: number) =>
  queryOptions({
    queryKey: ["particles", "suggestions", projectId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/particles/projects/{project_id}/suggestions", {
          params: { path: { project_id: projectId }, query: { count: 5 } },
          signal,
        }),
      ),
  });

export const pickers = () =>
  queryOptions({
    queryKey: ["particles", "models"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/particles/models", { signal })),
  });

export const picks = (micrographId: number) =>
  queryOptions({
    queryKey: ["particles", "picks", micrographId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/particles/micrographs/{micrograph_id}/picks", {
          params: { path: { micrograph_id: micrographId } },
          signal,
        }),
      ),
  });

export const marks = (micrographId: number) =>
  queryOptions({
    queryKey: ["particles", "marks", micrographId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/particles/micrographs/{micrograph_id}/marks", {
          params: { path: { micrograph_id: micrographId } },
          signal,
        }),
      ),
  });

export const folder = (path: string) =>
  queryOptions({
    queryKey: ["particles", "folder", path],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/particles/folders", { params: { query: path === "" ? {} : { path } }, signal })),
    staleTime: 0,
    placeholderData: keepPreviousData,
  });

export const curationQueue = (curator: string | undefined) =>
  queryOptions({
    queryKey: ["curation", "queue", curator ?? ""],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/curation", { params: { query: curator === undefined ? {} : { curator } }, signal })),
  });

/** The item to look at and some that follow, so that their pictures can be loaded ahead. */
export const nextCurationItems = (curator: string, first?: number) =>
  queryOptions({
    queryKey: ["curation", "next", curator, first ?? null],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/curation/next", {
          params: { query: first === undefined ? { curator, limit: 12 } : { curator, limit: 12, first } },
          signal,
        }),
      ),
    enabled: curator !== "",
    placeholderData: keepPreviousData,
  });

export const exposureQueue = (curator: string) =>
  queryOptions({
    queryKey: ["curation", "exposures", "queue", curator],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/curation/exposures", { params: { query: curator === "" ? {} : { curator } }, signal })),
  });

export const nextExposures = (curator: string) =>
  queryOptions({
    queryKey: ["curation", "exposures", "next", curator],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/curation/exposures/next", { params: { query: { curator, limit: 12 } }, signal })),
    enabled: curator !== "",
    placeholderData: keepPreviousData,
  });

export const reviewTasks = () =>
  queryOptions({
    queryKey: ["review-tasks"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/review-tasks", { signal })),
    staleTime: Infinity,
  });

export const modelRoles = (task: string) =>
  queryOptions({
    queryKey: ["learning", "roles", task],
    queryFn: async ({ signal }) => {
      const found = await unwrap(client.GET("/api/v1/model-roles", { params: { query: { task } }, signal }));
      return found.find((roles) => roles.task === task) ?? null;
    },
    enabled: task !== "",
  });

/** Of every review task. */
export const allModelRoles = () =>
  queryOptions({
    queryKey: ["learning", "roles"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/model-roles", { signal })),
  });

export const trainingRuns = (task: string) =>
  queryOptions({
    queryKey: ["learning", "runs", task],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/training-runs", { params: { query: { task } }, signal })),
    enabled: task !== "",
  });

export const datasets = (task: string) =>
  queryOptions({
    queryKey: ["learning", "datasets", task],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/datasets", { params: { query: { task } }, signal })),
    enabled: task !== "",
  });

/** A version never changes. */
export const dataset = (datasetId: number) =>
  queryOptions({
    queryKey: ["dataset", datasetId],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/datasets/{dataset_id}", { params: { path: { dataset_id: datasetId } }, signal })),
    staleTime: Infinity,
  });

export const datasetRows = (datasetId: number, partition: "train" | "validation" | "test" | undefined, limit: number) =>
  queryOptions({
    queryKey: ["dataset", datasetId, "rows", partition ?? "all", limit],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/datasets/{dataset_id}/rows", {
          params: { path: { dataset_id: datasetId }, query: { limit, ...(partition === undefined ? {} : { partition }) } },
          signal,
        }),
      ),
    staleTime: Infinity,
    placeholderData: keepPreviousData,
  });

export const datasetDiff = (before: number, after: number) =>
  queryOptions({
    queryKey: ["dataset", after, "diff", before],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/datasets/{dataset_id}/diff/{other_id}", {
          params: { path: { dataset_id: before, other_id: after } },
          signal,
        }),
      ),
    staleTime: Infinity,
  });

/** What a version would hold; it depends on everything that people have said so far. */
export const datasetPlan = (request: BuildDataset) =>
  queryOptions({
    queryKey: ["learning", "plan", request],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/datasets/plan", { body: request, signal })),
    staleTime: 0,
    placeholderData: keepPreviousData,
  });

export const curationItem = (itemId: number) =>
  queryOptions({
    queryKey: ["curation", "item", itemId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/curation/items/{curation_item_id}", {
          params: { path: { curation_item_id: itemId } },
          signal,
        }),
      ),
  });

export const dropAnnotations = (dropId: number) =>
  queryOptions({
    queryKey: ["drop", dropId, "annotations"],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/drops/{drop_id}/annotations", { params: { path: { drop_id: dropId } }, signal })),
  });

export const lineage = (dropId: number, inspection: number | undefined) =>
  queryOptions({
    queryKey: ["learning", "lineage", dropId, inspection ?? "best"],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/drops/{drop_id}/lineage", {
          params: { path: { drop_id: dropId }, query: inspection === undefined ? {} : { inspection } },
          signal,
        }),
      ),
  });
