/** The two views of a plate: its map with what is known of the drop pointed at, and a wall of all its images. */
import { useCallback, useMemo, useRef, useState } from "react";
import type { PlateMap, PlateMapCell } from "../api/client";
import { dropName, dropUrl, probabilityOf, type Shown } from "../logic/cells";
import { isOpen, nextDisagreement } from "../logic/disagreements";
import { plural } from "../logic/format";
import { rankOrder } from "../logic/plate";
import { Segmented } from "./basics";
import { DisagreementList } from "./Disagreement";
import { DropInspector, DropTip, type TipPlace } from "./DropInspector";
import { Legend } from "./Legend";
import { Picture } from "./Picture";
import { movePictures } from "./pictureKeys";
import { PlateGrid } from "./PlateGrid";
import { useKept } from "./preferences";
import { ScoringNote } from "./ScoringNote";
import { showToast } from "./toasts";
import { useCurateKey } from "./useCurateKey";
import { useShortcuts } from "./useShortcuts";

const ORDERS = ["plate", "rank"] as const;
const SIZES = ["s", "m", "l"] as const;
const LIKELIEST = 12;
const TIP_BELOW_PX = 14;

export interface ViewProps {
  readonly map: PlateMap;
  readonly shown: Shown;
  readonly inspection: string;
  readonly scoring: number | undefined;
  /** Only drops on which people and the model disagree. */
  readonly only: boolean;
}

interface Active {
  readonly cell: PlateMapCell;
  readonly place: TipPlace;
}

export function MapView({ map, shown, inspection, scoring, only }: ViewProps) {
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
  useCurateKey(inspected);
  return (
    <div className="map-view">
      <div className="map-column">
        <div className="map-scroll panel">
          <PlateGrid
            map={map}
            shown={shown}
            inspection={inspection}
            scoring={scoring}
            onlyDisagreements={only}
            onActive={onActive}
          />
        </div>
        <Legend threshold={threshold} />
        {only && <DisagreementList map={map} scoring={scoring} />}
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

export function ImagesView({ map, shown, inspection, scoring, only }: ViewProps) {
  const [order, setOrder] = useKept("images.order", ORDERS, "plate");
  const [size, setSize] = useKept("images.size", SIZES, "m");
  const cells = useMemo(() => {
    const pictured = map.cells.filter(
      (cell) =>
        (cell.image_visible_id !== null || cell.image_uv_id !== null) && (!only || isOpen(cell.disagreement)),
    );
    return order === "plate"
      ? pictured
      : rankOrder(pictured.map((cell) => ({ ...cell, probability: probabilityOf(cell, shown) })));
  }, [map, only, order, shown]);
  const threshold = map.scoring?.alarm_threshold;
  const wall = useRef<HTMLDivElement>(null);
  const [last, setLast] = useState<number>();
  useCurateKey(cells.find((cell) => cell.drop_id === last));
  useShortcuts((shortcut) => {
    if (shortcut !== "d") return false;
    const next = cells[nextDisagreement(cells, cells.findIndex((cell) => cell.drop_id === last))];
    if (next === undefined) showToast({ text: "People and the model disagree on none of these drops" });
    else wall.current?.querySelector<HTMLElement>(`[data-picture="${next.drop_id}"]`)?.focus();
    return true;
  });
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
      <div
        ref={wall}
        className={`wall ${size}`}
        onKeyDown={movePictures}
        onFocus={(event) => {
          const picture = event.target.closest<HTMLElement>("[data-picture]");
          if (picture !== null) setLast(Number(picture.dataset.picture));
        }}
      >
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
      {only && <DisagreementList map={map} scoring={scoring} />}
      <ScoringNote scoring={map.scoring} />
    </section>
  );
}
