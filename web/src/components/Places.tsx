/** Grids and squares: the share of problematic exposures with its interval, and which of them to leave, with reasons. */
import type { ExposurePlace } from "../api/client";
import { causeName } from "../logic/exposures";
import { percent } from "../logic/format";
import { vars } from "./basics";

interface Props {
  readonly places: readonly ExposurePlace[];
  readonly square: string | undefined;
  readonly drafted: boolean;
  readonly onPick: (place: ExposurePlace | undefined) => void;
}

export function Places({ places, square, drafted, onPick }: Props) {
  const grids = places.filter((place) => place.kind === "grid");
  const squares = places
    .filter((place) => place.kind === "square")
    .sort((a, b) => Number(b.leave) - Number(a.leave) || b.share - a.share);
  const leaving = places.filter((place) => place.leave).length;
  return (
    <section className="panel places-panel" aria-label="Squares and grids">
      <header>
        <h2>Squares</h2>
        <span className="muted">
          {drafted ? "by the limits that are set" : leaving === 0 ? "none is to be left" : `${leaving} to leave`}
        </span>
      </header>
      {places.length === 0 && <p className="muted">No exposure is judged yet.</p>}
      <ul className="places">
        {[...grids, ...squares].map((place) => (
          <li key={`${place.kind} ${place.grid ?? ""} ${place.square ?? ""}`} className={place.kind}>
            <button
              type="button"
              className="place"
              aria-pressed={place.kind === "square" && place.square === square}
              title={place.reason === "" ? "Show its exposures" : place.reason}
              onClick={() => {
                onPick(place.kind === "grid" || place.square === square ? undefined : place);
              }}
            >
              <span className="name">{place.kind === "grid" ? (place.grid ?? "Grid not known") : place.square}</span>
              <span className="muted num">{place.exposures}</span>
              <span
                className="interval"
                role="img"
                aria-label={`${percent(place.share)} problematic, between ${percent(place.low)} and ${percent(place.high)}`}
                style={vars({ "--low": place.low, "--high": place.high, "--share": place.share })}
              >
                <i />
                <b />
              </span>
              <span className="num share">{percent(place.share)}</span>
            </button>
            {place.leave && (
              <div className="leave">
                <p>
                  <strong>Leave this {place.kind}</strong>: {place.reason}
                </p>
                {place.why.length > 0 && (
                  <p className="muted">Most often: {place.why.map((one) => `${causeName(one.indicator)} (${one.exposures})`).join(", ")}</p>
                )}
              </div>
            )}
          </li>
        ))}
      </ul>
      {places.length > 0 && (
        <p className="muted rule">The bars show the share of problematic exposures with its 90 % interval.</p>
      )}
    </section>
  );
}
