/** A drop over its inspections: the probabilities as a small chart, and a thumbnail of each to go there. */
import { useEffect, useRef } from "react";
import { type DropInspection, thumbnailUrl } from "../api/client";
import { date, elapsed, percentOrDash } from "../logic/format";
import { shownImages } from "../logic/images";
import { vars } from "./basics";

const COLUMN_PX = 104;
const CHART_PX = 44;
const PAD_PX = 6;

interface Props {
  readonly inspections: readonly DropInspection[];
  readonly current: number | undefined;
  readonly threshold: number | undefined;
  readonly blind: boolean;
  readonly onChoose: (inspection: number) => void;
}

type Series = "probability" | "visible_probability" | "uv_probability";

const SERIES: readonly Series[] = ["visible_probability", "uv_probability", "probability"];
const NAMES: Readonly<Record<Series, string>> = {
  probability: "Combined",
  visible_probability: "Visible",
  uv_probability: "UV",
};
const height = (value: number) => PAD_PX + (1 - value) * (CHART_PX - 2 * PAD_PX);
const middle = (index: number) => (index + 0.5) * COLUMN_PX;

export function TimeCourse({ inspections, current, threshold, blind, onChoose }: Props) {
  const strip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Sideways only: on a phone the strip lies below the images, and the page must not jump down to it.
    const stop = strip.current?.querySelector<HTMLElement>('[aria-checked="true"]');
    if (strip.current !== null && stop != null) {
      strip.current.scrollLeft = stop.offsetLeft - (strip.current.clientWidth - stop.offsetWidth) / 2;
    }
  }, [current]);
  const width = inspections.length * COLUMN_PX;
  const first = inspections[0];
  return (
    <section className="time-course" aria-label="Time course" ref={strip}>
      {!blind && (
        <div className="chart">
        <svg width={width} height={CHART_PX} role="img" aria-label="Crystal probability over the inspections">
          {threshold !== undefined && (
            <line className="threshold" x1={0} x2={width} y1={height(threshold)} y2={height(threshold)} />
          )}
          {SERIES.map((series) => {
            const points = inspections.flatMap((one, index) => {
              const value = one.score?.[series];
              return value == null ? [] : [{ index, value }];
            });
            return (
              <g key={series} className={series}>
                <polyline points={points.map(({ index, value }) => `${middle(index)},${height(value)}`).join(" ")} />
                {points.map(({ index, value }) => (
                  <circle key={index} cx={middle(index)} cy={height(value)} r={series === "probability" ? 3 : 2} />
                ))}
              </g>
            );
          })}
        </svg>
          <ul className="series-key">
            {SERIES.toReversed().map((series) => (
              <li key={series} className={series}>
                {NAMES[series]}
              </li>
            ))}
          </ul>
        </div>
      )}
      <div className="stops" role="radiogroup" aria-label="Inspection" style={vars({ "--column": `${COLUMN_PX}px` })}>
        {inspections.map((one) => {
          const { visible, other } = shownImages(one);
          const image = visible ?? other;
          const since = elapsed(first?.taken_at, one.taken_at);
          return (
            <button
              key={one.id}
              type="button"
              role="radio"
              aria-checked={one.number === current}
              className="stop"
              title={one.taken_at === null ? undefined : date(one.taken_at)}
              onClick={() => {
                onChoose(one.number);
              }}
            >
              {image === undefined ? (
                <span className="nothing">no image</span>
              ) : (
                <img src={thumbnailUrl(image.id)} alt="" loading="lazy" />
              )}
              <span className="num">
                <b>{one.number}</b>
                {one !== first && since !== undefined && <span className="muted"> +{since}</span>}
                {!blind && <span className="value">{percentOrDash(one.score?.probability)}</span>}
              </span>
            </button>
          );
        })}
      </div>
    </section>
  );
}
