/** The plate map: every well with its drops, as discs whose colour and size say how likely a crystal is. */
import { memo, useRef } from "react";
import { Link, useNavigate } from "react-router";
import type { PlateMap, PlateMapCell } from "../api/client";
import { dropUrl, markOf, probabilityOf, type Shown, spokenCell } from "../logic/cells";
import { cssColour, discSize } from "../logic/colour";
import { isOpen, nextDisagreement } from "../logic/disagreements";
import { moveOnPlate, type Move, rowLetters } from "../logic/plate";
import { vars } from "./basics";
import { showToast } from "./toasts";
import { useShortcuts } from "./useShortcuts";

const MOVES: Readonly<Record<string, Move>> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Home: "rowStart",
  End: "rowEnd",
  PageUp: "first",
  PageDown: "last",
};

interface Props {
  readonly map: PlateMap;
  readonly shown: Shown;
  readonly inspection: string;
  readonly scoring: number | undefined;
  /** Drops on which person and model do not disagree step back. */
  readonly onlyDisagreements: boolean;
  /** Called with a cell and its element when it is pointed at or focused, with undefined when left. */
  readonly onActive: (cell: PlateMapCell | undefined, element?: HTMLElement) => void;
}

export const PlateGrid = memo(function PlateGrid(props: Props) {
  const { map, shown, inspection, scoring, onlyDisagreements, onActive } = props;
  const grid = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const threshold = map.scoring?.alarm_threshold;

  const cellOf = (target: EventTarget): [number, HTMLElement] | undefined => {
    const element = target instanceof Element ? target.closest<HTMLElement>("[data-index]") : null;
    return element === null ? undefined : [Number(element.dataset.index), element];
  };
  const focus = (index: number) => {
    const next = grid.current?.querySelector<HTMLElement>(`[data-index="${index}"]`);
    if (next === null || next === undefined) return;
    // One stop of the tab key for the whole map, wherever one was last.
    for (const old of grid.current?.querySelectorAll('[data-index][tabindex="0"]') ?? []) {
      old.setAttribute("tabindex", "-1");
    }
    next.setAttribute("tabindex", "0");
    next.focus();
  };
  useShortcuts((shortcut) => {
    if (shortcut !== "d") return false;
    const here = document.activeElement === null ? undefined : cellOf(document.activeElement);
    const next = nextDisagreement(map.cells, here?.[0] ?? -1);
    if (next >= 0) focus(next);
    else showToast({ text: "People and the model disagree on no drop of this map" });
    return true;
  });
  const activate = (target: EventTarget) => {
    const found = cellOf(target);
    if (found !== undefined) onActive(map.cells[found[0]], found[1]);
  };

  const wells = new Map<string, { cell: PlateMapCell; index: number }[]>();
  for (const [index, cell] of map.cells.entries()) {
    const key = `${cell.row}/${cell.column}`;
    const drops = wells.get(key);
    if (drops === undefined) wells.set(key, [{ cell, index }]);
    else drops.push({ cell, index });
  }
  const rows = Array.from({ length: map.rows }, (_, row) => row);
  const columns = Array.from({ length: map.columns }, (_, column) => column);
  return (
    <div
      ref={grid}
      className={`plate-grid drops-${Math.min(4, map.drops.length)}${onlyDisagreements ? " only-disagreements" : ""}`}
      style={vars({ "--columns": map.columns, "--drops": map.drops.length })}
      role="grid"
      aria-label={`Plate map of ${map.barcode}`}
      onPointerOver={(event) => {
        activate(event.target);
      }}
      onPointerLeave={() => {
        onActive(undefined);
      }}
      onFocus={(event) => {
        activate(event.target);
      }}
      onKeyDown={(event) => {
        const found = cellOf(event.target);
        if (found === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        const move = MOVES[event.key];
        const cell = map.cells[found[0]];
        if (move !== undefined) {
          event.preventDefault();
          focus(moveOnPlate(map.cells, found[0], move));
        } else if (event.key === " " && cell !== undefined) {
          event.preventDefault();
          void navigate(dropUrl(map.plate_id, cell.drop_id, { inspection, scoring }));
        }
      }}
    >
      <div className="row head" role="row">
        <span />
        {columns.map((column) => (
          <span key={column} role="columnheader">
            {column + 1}
          </span>
        ))}
      </div>
      {rows.map((row) => (
        <div key={row} className="row" role="row">
          <span role="rowheader">{rowLetters(row)}</span>
          {columns.map((column) => (
            <div key={column} className="well" role="presentation">
              {map.drops.map((drop) => {
                const found = wells.get(`${row}/${column}`)?.find(({ cell }) => cell.drop === drop);
                if (found === undefined) return <span key={drop} className="drop none" role="gridcell" />;
                const { cell, index } = found;
                return (
                  <DropCell
                    key={drop}
                    cell={cell}
                    index={index}
                    shown={shown}
                    threshold={threshold}
                    to={dropUrl(map.plate_id, cell.drop_id, { inspection, scoring })}
                  />
                );
              })}
            </div>
          ))}
        </div>
      ))}
    </div>
  );
});

function DropCell(props: {
  cell: PlateMapCell;
  index: number;
  shown: Shown;
  threshold: number | undefined;
  to: string;
}) {
  const { cell, index, shown, threshold, to } = props;
  const probability = probabilityOf(cell, shown);
  const hit = probability !== null && threshold !== undefined && probability >= threshold;
  const mark = markOf(cell);
  const absent = cell.image_visible_id === null && cell.image_uv_id === null;
  const classes = ["drop"];
  if (hit) classes.push("hit");
  if (probability === null) classes.push(cell.error === null ? (absent ? "absent" : "unscored") : "failed");
  if (mark !== undefined) classes.push(`mark-${mark}`);
  if (isOpen(cell.disagreement)) classes.push("disagrees");
  return (
    <Link
      to={to}
      className={classes.join(" ")}
      style={probability === null ? undefined : vars({ "--fill": cssColour(probability), "--size": discSize(probability) })}
      role="gridcell"
      tabIndex={index === 0 ? 0 : -1}
      data-index={index}
      data-drop={`${cell.well}.${cell.drop}`}
      aria-label={spokenCell(cell, shown, threshold)}
    />
  );
}
