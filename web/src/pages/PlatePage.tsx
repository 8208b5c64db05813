import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { type PlateMap, type PlateMapCell, type Scoring, scoresUrl } from "../api/client";
import * as queries from "../api/queries";
import { Failure, Segmented } from "../components/basics";
import { DropInspector, DropTip, type TipPlace } from "../components/DropInspector";
import { Icon } from "../components/Icon";
import { Legend } from "../components/Legend";
import { Picture } from "../components/Picture";
import { movePictures } from "../components/pictureKeys";
import { PlateGrid } from "../components/PlateGrid";
import { PlateJobs, Problems } from "../components/PlateStatus";
import { useKept } from "../components/preferences";
import { RescoreDialog } from "../components/RescoreDialog";
import { ScoringNote } from "../components/ScoringNote";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { dropName, dropUrl, probabilityOf, type Shown } from "../logic/cells";
import { date, elapsed, plural } from "../logic/format";
import { rankOrder } from "../logic/plate";

const SHOWN = ["combined", "visible", "uv"] as const;
const VIEWS = ["map", "images"] as const;
const ORDERS = ["plate", "rank"] as const;
const SIZES = ["s", "m", "l"] as const;
const LIKELIEST = 12;
const TIP_BELOW_PX = 14;

export function PlatePage() {
  const plateId = Number(useParams().plateId);
  const [params, setParams] = useSearchParams();
  const inspection = params.get("inspection") ?? "best";
  const scoring = params.has("scoring") ? Number(params.get("scoring")) : undefined;
  const shown: Shown = SHOWN.find((value) => value === params.get("light")) ?? "combined";
  const view = VIEWS.find((value) => value === params.get("view")) ?? "map";
  const query = useQuery({ ...queries.plateMap(plateId, inspection, scoring), placeholderData: keepPreviousData });
  const [rescoring, setRescoring] = useState(false);
  const navigate = useNavigate();
  const map = query.data;
  useTitle(map?.barcode);

  const set = useCallback(
    (name: string, value: string, usual: string) => {
      setParams(
        (old) => {
          if (value === usual) old.delete(name);
          else old.set(name, value);
          return old;
        },
        { replace: true },
      );
    },
    [setParams],
  );
  const numbers = useMemo(() => ["best", ...(map?.inspections.map(({ number }) => String(number)) ?? [])], [map]);

  useShortcuts((shortcut) => {
    switch (shortcut) {
      case "[":
      case "]": {
        const next = numbers[numbers.indexOf(inspection) + (shortcut === "]" ? 1 : -1)];
        if (next !== undefined) set("inspection", next, "best");
        return true;
      }
      case "m":
        set("view", view === "map" ? "images" : "map", "map");
        return true;
      case "Escape":
        void navigate("/");
        return true;
      default:
        return false;
    }
  });

  if (map === undefined) {
    return (
      <div className="page">
        {query.isError ? (
          <Failure error={query.error} retry={() => void query.refetch()} />
        ) : (
          <div className="skeleton plate-skeleton" aria-label="Loading the plate map" />
        )}
      </div>
    );
  }
  return (
    <div className="page plate-page" aria-busy={query.isPlaceholderData}>
      <header>
        <div className="crumbs">
          <Link to="/">Plates</Link> / <h1>{map.barcode}</h1>
        </div>
        <PlateFacts map={map} />
        <div className="actions">
          <Link className="button" to={`/hits?plate=${plateId}&all=1`}>
            <Icon name="hits" /> Ranked list
          </Link>
          <a className="button" href={scoresUrl(plateId, scoring)} download>
            <Icon name="download" /> CSV
          </a>
          <button
            type="button"
            className={map.scoring === null ? "button primary" : "button"}
            onClick={() => {
              setRescoring(true);
            }}
          >
            <Icon name="refresh" /> {map.scoring === null ? "Score" : "Score again"}
          </button>
        </div>
      </header>
      <PlateJobs barcode={map.barcode} />
      <div className="toolbar">
        <Segmented
          label="View"
          value={view}
          choices={[
            { value: "map", name: "Map", title: "Plate map (m)" },
            { value: "images", name: "Images", title: "All images of the inspection (m)" },
          ]}
          onChange={(value) => {
            set("view", value, "map");
          }}
        />
        <div className="labelled">
          <span className="hide-narrow">Inspection</span>
          <Segmented
            label="Inspection"
            value={inspection}
            choices={[
              { value: "best", name: "Best so far", title: "The best score of each drop over all inspections" },
              ...map.inspections.map((one) => ({
                value: String(one.number),
                name: one.number,
                title: inspectionTitle(map, one.number),
              })),
            ]}
            onChange={(value) => {
              set("inspection", value, "best");
            }}
          />
        </div>
        <Segmented
          label="Light"
          value={shown}
          choices={[
            { value: "combined", name: "Combined" },
            { value: "visible", name: "Visible" },
            { value: "uv", name: "UV" },
          ]}
          onChange={(value) => {
            set("light", value, "combined");
          }}
        />
        {map.scorings.length > 1 && (
          <label className="labelled">
            Scoring
            <select
              className="field"
              value={String(map.scoring?.id ?? "")}
              onChange={(event) => {
                const chosen = map.scorings.find(({ id }) => String(id) === event.target.value);
                set("scoring", chosen?.is_current === true ? "" : event.target.value, "");
              }}
            >
              {map.scorings.map((one) => (
                <option key={one.id} value={one.id}>
                  {scoringName(one)}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {view === "map" ? (
        <MapView map={map} shown={shown} inspection={inspection} scoring={scoring} />
      ) : (
        <ImagesView map={map} shown={shown} inspection={inspection} scoring={scoring} />
      )}
      <Problems plateId={plateId} />
      <RescoreDialog
        plateId={plateId}
        barcode={map.barcode}
        open={rescoring}
        onClose={() => {
          setRescoring(false);
        }}
      />
    </div>
  );
}

const SHORT_VERSION = 6;

/** Model, short version, rule and day: two versions of one model are often scored on the same day. */
function scoringName(scoring: Scoring): string {
  const model = scoring.model_visible ?? scoring.model_uv;
  const name = model === null ? [] : [`${model.name} ${model.version.slice(0, SHORT_VERSION)}`];
  return [...name, scoring.rule, date(scoring.updated_at)].join(" · ");
}

function inspectionTitle(map: PlateMap, number: number): string {
  const one = map.inspections.find((inspection) => inspection.number === number);
  const first = map.inspections[0];
  if (one === undefined) return "";
  const parts = [plural(one.image_count, "image")];
  if (one.taken_at !== null) parts.unshift(date(one.taken_at));
  const since = elapsed(first?.taken_at, one.taken_at);
  if (since !== undefined && one !== first) parts.push(`${since} after the first`);
  if (one.imager !== null) parts.push(one.imager);
  return parts.join(", ");
}

function PlateFacts({ map }: { map: PlateMap }) {
  const threshold = map.scoring?.alarm_threshold;
  const hits = map.cells.filter(({ probability: p }) => p !== null && threshold !== undefined && p >= threshold).length;
  const labelled = map.cells.filter(({ label }) => label !== null).length;
  return (
    <p className="muted num">
      {plural(map.cells.length, "drop")}
      {threshold === undefined ? "" : ` · ${plural(hits, "hit")}`}
      {labelled === 0 ? "" : ` · ${labelled} scored by people`}
    </p>
  );
}

interface ViewProps {
  readonly map: PlateMap;
  readonly shown: Shown;
  readonly inspection: string;
  readonly scoring: number | undefined;
}

interface Active {
  readonly cell: PlateMapCell;
  readonly place: TipPlace;
}

function MapView({ map, shown, inspection, scoring }: ViewProps) {
  const [active, setActive] = useState<Active>();
  const [last, setLast] = useState<number>();
  const onActive = useCallback((cell: PlateMapCell | undefined, element?: HTMLElement) => {
    if (cell === undefined || element === undefined) {
      setActive(undefined);
      return;
    }
    const box = element.getBoundingClientRect();
    setActive({ cell, place: { x: box.left + box.width / 2, y: box.bottom + TIP_BELOW_PX } });
    setLast(cell.drop_id);
  }, []);
  const likeliest = useMemo(() => rankOrder(map.cells).filter((cell) => cell.probability !== null).slice(0, LIKELIEST), [map]);
  const threshold = map.scoring?.alarm_threshold;
  const inspected = map.cells.find((cell) => cell.drop_id === last);
  return (
    <div className="map-view">
      <div className="map-column">
        <div className="map-scroll panel">
          <PlateGrid map={map} shown={shown} inspection={inspection} scoring={scoring} onActive={onActive} />
        </div>
        <Legend threshold={threshold} />
        <ScoringNote scoring={map.scoring} />
        {likeliest.length > 0 && (
          <section className="likeliest" aria-label="Likeliest drops">
            <h3>Likeliest drops</h3>
            <div className="wall s" onKeyDown={movePictures}>
              {likeliest.map((cell) => (
                <Picture
                  key={cell.drop_id}
                  facts={cell}
                  name={dropName(cell, map.drops.length)}
                  imageId={cell.image_visible_id ?? cell.image_uv_id}
                  to={dropUrl(map.plate_id, cell.drop_id, { inspection, scoring, order: "rank" })}
                  hit={threshold !== undefined && cell.probability !== null && cell.probability >= threshold}
                />
              ))}
            </div>
          </section>
        )}
      </div>
      <DropInspector map={map} cell={inspected ?? likeliest[0]} />
      {active !== undefined && <DropTip map={map} cell={active.cell} place={active.place} />}
    </div>
  );
}

function ImagesView({ map, shown, inspection, scoring }: ViewProps) {
  const [order, setOrder] = useKept("images.order", ORDERS, "plate");
  const [size, setSize] = useKept("images.size", SIZES, "m");
  const cells = useMemo(() => {
    const pictured = map.cells.filter((cell) => cell.image_visible_id !== null || cell.image_uv_id !== null);
    return order === "plate"
      ? pictured
      : rankOrder(pictured.map((cell) => ({ ...cell, probability: probabilityOf(cell, shown) })));
  }, [map, order, shown]);
  const threshold = map.scoring?.alarm_threshold;
  return (
    <section aria-label="Images">
      <div className="toolbar">
        <Segmented
          label="Order"
          value={order}
          choices={[
            { value: "plate", name: "Plate order" },
            { value: "rank", name: "Likeliest first" },
          ]}
          onChange={setOrder}
        />
        <Segmented
          label="Size of the images"
          value={size}
          choices={[
            { value: "s", name: "S" },
            { value: "m", name: "M" },
            { value: "l", name: "L" },
          ]}
          onChange={setSize}
        />
        <span className="muted num">{plural(cells.length, "drop")}</span>
      </div>
      <div className={`wall ${size}`} onKeyDown={movePictures}>
        {cells.map((cell) => {
          const probability = probabilityOf(cell, shown);
          return (
            <Picture
              key={cell.drop_id}
              facts={shown === "combined" ? cell : { ...cell, probability }}
              name={dropName(cell, map.drops.length)}
              imageId={shown === "uv" ? cell.image_uv_id : (cell.image_visible_id ?? cell.image_uv_id)}
              to={dropUrl(map.plate_id, cell.drop_id, { inspection, scoring, order })}
              hit={threshold !== undefined && probability !== null && probability >= threshold}
            />
          );
        })}
      </div>
      <ScoringNote scoring={map.scoring} />
    </section>
  );
}
