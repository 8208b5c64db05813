/** What is known of the drop that is pointed at: beside the map on wide screens, a small tip elsewhere. */
import { type PlateMap, type PlateMapCell, thumbnailUrl } from "../api/client";
import { cssColour } from "../logic/colour";
import { dropName } from "../logic/cells";
import { isOpen, stateInWords } from "../logic/disagreements";
import { percentOrDash } from "../logic/format";
import { labelName } from "../logic/labels";
import { vars } from "./basics";
import { Disagreement } from "./Disagreement";

export function ProbabilityLine({ name, value }: { name: string; value: number | null }) {
  return (
    <div className="probability-line">
      <span>{name}</span>
      <span className="track">
        {value !== null && <i style={vars({ "--at": value, "--fill": cssColour(value) })} />}
      </span>
      <span className="num">{percentOrDash(value)}</span>
    </div>
  );
}

export function DropInspector({ map, cell }: { map: PlateMap; cell: PlateMapCell | undefined }) {
  if (cell === undefined) {
    return (
      <aside className="inspector panel" aria-label="Drop">
        <p className="muted">Point at a drop, or move with the arrow keys, to see its images and probabilities.</p>
      </aside>
    );
  }
  const hasVisible = map.cells.some((other) => other.image_visible_id !== null);
  const hasUv = map.cells.some((other) => other.image_uv_id !== null);
  const pictures = [
    { name: "Visible", id: cell.image_visible_id },
    { name: "UV", id: cell.image_uv_id },
  ].filter(({ name, id }) => id !== null || (name === "UV" ? hasUv : hasVisible));
  return (
    <aside className="inspector panel" aria-label="Drop">
      <header>
        <h2>{dropName(cell, map.drops.length)}</h2>
        <span className="muted">{cell.inspection === null ? "" : `inspection ${cell.inspection}`}</span>
      </header>
      <div className="figure-line">
        <span className="big num">{percentOrDash(cell.probability)}</span>
        <span className="muted">crystal</span>
        {cell.label !== null && (
          <span className="chip accent">Person: {labelName(cell.label_scheme, cell.label)}</span>
        )}
      </div>
      <ProbabilityLine name="Visible" value={cell.visible_probability} />
      <ProbabilityLine name="UV" value={cell.uv_probability} />
      {cell.disagreement !== null && <Disagreement dropId={cell.drop_id} found={cell.disagreement} />}
      {cell.error !== null && <p className="error-text">{cell.error}</p>}
      {pictures.map(({ name, id }) => (
        <figure key={name} className="preview">
          {id === null ? (
            <span className="nothing">No {name === "UV" ? "UV" : "visible"} image</span>
          ) : (
            <img src={thumbnailUrl(id)} alt={`${name} image of ${dropName(cell, map.drops.length)}`} />
          )}
          <figcaption>{name}</figcaption>
        </figure>
      ))}
    </aside>
  );
}

export interface TipPlace {
  readonly x: number;
  readonly y: number;
}

export function DropTip({ map, cell, place }: { map: PlateMap; cell: PlateMapCell; place: TipPlace }) {
  return (
    <div className="tip" role="tooltip" style={vars({ "--x": `${place.x}px`, "--y": `${place.y}px` })}>
      <div>
        <strong>{dropName(cell, map.drops.length)}</strong>
        <span className="num">{cell.probability === null ? "not scored" : percentOrDash(cell.probability)}</span>
      </div>
      <div className="num">
        visible {percentOrDash(cell.visible_probability)} · UV {percentOrDash(cell.uv_probability)}
        {cell.inspection === null ? "" : ` · inspection ${cell.inspection}`}
      </div>
      {cell.label !== null && <div>Person: {labelName(cell.label_scheme, cell.label)}</div>}
      {cell.disagreement !== null && (
        <div>
          {isOpen(cell.disagreement) ? "Person and model disagree. " : ""}
          {stateInWords(cell.disagreement)}
        </div>
      )}
    </div>
  );
}
