/** A curator's sitting at the queue of exposures. */
import { useQuery } from "@tanstack/react-query";
import { client, type ConditionItem, exposurePictureUrl, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { type Sitting, useSitting } from "./useSitting";

const LOADED_AHEAD = 4;
const PICTURE_PX = 1024;

export type ConditionSitting = Sitting<ConditionItem, string>;

/** The picture by which the condition of an exposure is judged. */
export function conditionPictureUrl(exposureId: number): string {
  return exposurePictureUrl(exposureId, PICTURE_PX);
}

export function useConditions(curator: string): ConditionSitting {
  return useSitting<ConditionItem, string>({
    query: useQuery(queries.nextExposures(curator)),
    key: ["curation", "exposures"],
    nameOf: (item) => item.name,
    store: (item, answer, seconds) =>
      unwrap(
        client.POST("/api/v1/curation/exposures/items/{curation_item_id}/answers", {
          params: { path: { curation_item_id: item.id } },
          body: { curator, answer, seconds },
        }),
      ),
    takeBack: () => unwrap(client.POST("/api/v1/curation/exposures/undo", { body: { curator } })),
    prefetch: (item) => {
      new window.Image().src = conditionPictureUrl(item.exposure_id);
      return Promise.resolve();
    },
    ahead: LOADED_AHEAD,
  });
}
