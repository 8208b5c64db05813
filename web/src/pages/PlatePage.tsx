import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { type PlateMap, type Scoring, scoresUrl } from "../api/client";
import * as queries from "../api/queries";
import { Failure, Segmented } from "../components/basics";
import { DisagreementTools } from "../components/DisagreementTools";
import { Icon } from "../components/Icon";
import { PlateJobs, Problems } from "../components/PlateStatus";
import { ImagesView, MapView } from "../components/PlateViews";
import { RescoreDialog } from "../components/RescoreDialog";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import type { Shown } from "../logic/cells";
import { date, elapsed, plural } from "../logic/format";

const SHOWN = ["combined", "visible", "uv"] as const;
const VIEWS = ["map", "images"] as const;

export function PlatePage() {
  const plateId = Number(useParams().plateId);
  const [params, setParams] = useSearchParams();
  const inspection = params.get("inspection") ?? "best";
  const scoring = params.has("scoring") ? Number(params.get("scoring")) : undefined;
  const shown: Shown = SHOWN.find((value) => value === params.get("light")) ?? "combined";
  const view = VIEWS.find((value) => value === params.get("view")) ?? "map";
  const only = params.has("disagree");
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
      case "o":
        set("disagree", only ? "" : "1", "");
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
        <DisagreementTools
          map={map}
          only={only}
          onChange={(next) => {
            set("disagree", next ? "1" : "", "");
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
        <MapView map={map} shown={shown} inspection={inspection} scoring={scoring} only={only} />
      ) : (
        <ImagesView map={map} shown={shown} inspection={inspection} scoring={scoring} only={only} />
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
