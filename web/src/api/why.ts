/** What the server is asked to explain a score, and whether an imager looks new. */
import { queryOptions } from "@tanstack/react-query";
import { client, type ModelReference, unwrap } from "./client";

/** The server makes explanations beside its requests; until one is there, it is asked for again. */
const ASK_AGAIN_MS = 700;
const untilThere = (data: { progress: unknown } | undefined): number | false =>
  data !== undefined && data.progress !== null ? ASK_AGAIN_MS : false;

/** Of an image and a version of a model there is one map. */
export const occlusion = (imageId: number, model: ModelReference) =>
  queryOptions({
    queryKey: ["occlusion", imageId, model.name, model.version],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/images/{image_id}/occlusion", {
          params: { path: { image_id: imageId }, query: { model: model.name, version: model.version } },
          signal,
        }),
      ),
    refetchInterval: (query) => untilThere(query.state.data),
  });

/** Changes with what people label, where the model learnt from nothing of this facility. */
export const nearest = (imageId: number, model: ModelReference) =>
  queryOptions({
    queryKey: ["nearest", imageId, model.name, model.version],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/images/{image_id}/nearest", {
          params: { path: { image_id: imageId }, query: { model: model.name, version: model.version } },
          signal,
        }),
      ),
    refetchInterval: (query) => untilThere(query.state.data),
    gcTime: 0,
  });

/** What the last look said of every imager. */
export const drift = (task: string) =>
  queryOptions({
    queryKey: ["learning", "drift", task],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/drift", { params: { query: { task, by: "imager" } }, signal })),
  });
