import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearchParams } from "react-router";
import * as queries from "../api/queries";
import { Failure } from "../components/basics";
import { Icon } from "../components/Icon";
import { MoreOnSight } from "../components/MoreOnSight";
import { Picture } from "../components/Picture";
import { movePictures } from "../components/pictureKeys";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { hitsQueryOf } from "../logic/sequence";
import { dropUrl } from "../logic/cells";
import { plural } from "../logic/format";

export function HitsPage() {
  useTitle("Hits");
  const [params, setParams] = useSearchParams();
  const asked = hitsQueryOf(params);
  const query = useInfiniteQuery(queries.hits(asked));
  const plate = useQuery({ ...queries.plate(asked.plate ?? 0), enabled: asked.plate !== undefined }).data;
  const navigate = useNavigate();
  const hits = query.data?.pages.flatMap((page) => page.items) ?? [];
  const total = query.data?.pages[0]?.total;

  const toggle = (name: string, on: boolean) => {
    setParams(
      (old) => {
        if (on) old.set(name, "1");
        else old.delete(name);
        return old;
      },
      { replace: true },
    );
  };
  useShortcuts((shortcut) => {
    if (shortcut !== "Escape") return false;
    void navigate(asked.plate === undefined ? "/" : `/plates/${asked.plate}`);
    return true;
  });
  // The viewer walks through the same list: it is told the same filters.
  const list = new URLSearchParams(params);
  list.set("order", "hits");
  return (
    <div className="page">
      <header>
        <div className="crumbs">
          {plate !== undefined && (
            <>
              <Link to={`/plates/${plate.id}`}>{plate.barcode}</Link> /
            </>
          )}
          <h1>{asked.belowThreshold ? "Drops by rank" : "Hits"}</h1>
        </div>
        {total != null && <span className="muted num">{plural(total, "drop")}</span>}
      </header>
      <div className="toolbar">
        <label className="check">
          <input
            type="checkbox"
            checked={asked.unreviewed}
            onChange={(event) => {
              toggle("unreviewed", event.target.checked);
            }}
          />
          Only drops nobody has scored
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={asked.belowThreshold}
            onChange={(event) => {
              toggle("all", event.target.checked);
            }}
          />
          Also below the alarm threshold
        </label>
        {asked.plate !== undefined && (
          <button
            type="button"
            className="button quiet"
            onClick={() => {
              toggle("plate", false);
            }}
          >
            <Icon name="close" /> Only {plate?.barcode ?? "this plate"}
          </button>
        )}
      </div>
      {query.isPending ? (
        <div className="wall m" aria-busy="true" aria-label="Loading">
          {Array.from({ length: 12 }, (_, index) => (
            <div key={index} className="picture">
              <span className="frame skeleton" />
              <span className="caption">&nbsp;</span>
            </div>
          ))}
        </div>
      ) : query.isError && hits.length === 0 ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : hits.length === 0 ? (
        <div className="state">
          <div className="art">
            <Icon name="hits" size={40} />
          </div>
          <h2>{asked.unreviewed ? "Nothing left to look at" : "No hits yet"}</h2>
          <p>
            {asked.unreviewed
              ? "Somebody has scored every drop of this list."
              : "A drop whose crystal probability reaches the alarm threshold of its model appears here. Ranking also shows the drops below it."}
          </p>
        </div>
      ) : (
        <div className="wall m" aria-busy={query.isPlaceholderData} onKeyDown={movePictures}>
          {hits.map((hit) => (
            <Picture
              key={hit.drop_id}
              facts={hit}
              name={`${hit.well}.${hit.drop}`}
              detail={asked.plate === undefined ? hit.barcode : `inspection ${hit.inspection}`}
              imageId={hit.image_visible_id ?? hit.image_uv_id}
              to={`${dropUrl(hit.plate_id, hit.drop_id)}?${list.toString()}`}
              hit={hit.is_hit}
            />
          ))}
        </div>
      )}
      <MoreOnSight query={query} />
    </div>
  );
}
