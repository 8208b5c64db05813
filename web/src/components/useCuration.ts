/** A curator's sitting at the queue of drops. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { client, type CurationItem, deepZoomUrl, thumbnailUrl, unwrap } from "../api/client";
import * as queries from "../api/queries";
import type { CuratorChoice } from "../logic/curation";
import { type Sitting, useSitting } from "./useSitting";

const LOADED_AHEAD = 3;

export type CurationSitting = Sitting<CurationItem, CuratorChoice>;

/** @param wanted An item to begin with, if it waits for this curator. */
export function useCuration(curator: string, wanted?: number): CurationSitting {
  const cache = useQueryClient();
  return useSitting<CurationItem, CuratorChoice>({
    query: useQuery(queries.nextCurationItems(curator, wanted)),
    key: ["curation"],
    nameOf: (item) => `${item.barcode} ${item.well}`,
    store: (item, choice, seconds) =>
      unwrap(
        client.POST("/api/v1/curation/items/{curation_item_id}/answers", {
          params: { path: { curation_item_id: item.id } },
          body: { curator, answer: choice.answer, crystal_type: choice.crystalType, seconds },
        }),
      ),
    takeBack: () => unwrap(client.POST("/api/v1/curation/undo", { body: { curator } })),
    prefetch: async (item) => {
      await cache.query(queries.drop(item.drop_id));
      for (const id of [item.image_visible_id, item.image_uv_id]) {
        if (id === null) continue;
        new window.Image().src = thumbnailUrl(id);
        await fetch(deepZoomUrl(id));
      }
    },
    ahead: LOADED_AHEAD,
  });
}
