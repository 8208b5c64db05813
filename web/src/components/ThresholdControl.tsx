/** The threshold, and what is to be expected of it: precision and recall as numbers and as curves. */
import { expectedAt, type ThresholdPoint } from "../logic/particles";
import { count } from "../logic/format";

const WIDTH = 220;
const HEIGHT = 74;

export function ThresholdControl(props: {
  threshold: number;
  points: readonly ThresholdPoint[];
  shown: number | undefined;
  onChange: (threshold: number) => void;
}) {
  const { threshold, points, shown, onChange } = props;
  const expected = expectedAt(points, threshold);
  const line = (value: (point: ThresholdPoint) => number) =>
    points.map((point) => `${(point.threshold * WIDTH).toFixed(1)},${((1 - value(point)) * HEIGHT).toFixed(1)}`).join(" ");
  return (
    <div className="threshold">
      <label className="threshold-label" htmlFor="threshold">
        Threshold <output className="num">{threshold.toFixed(2)}</output>
      </label>
      <div className="threshold-plot">
        {points.length > 1 && (
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            <polyline className="precision" points={line((point) => point.precision)} />
            <polyline className="recall" points={line((point) => point.recall)} />
            <line className="here" x1={threshold * WIDTH} x2={threshold * WIDTH} y1={0} y2={HEIGHT} />
          </svg>
        )}
        <input
          id="threshold"
          type="range"
          min={0}
          max={1}
          step={0.01}
          value={threshold}
          onChange={(event) => {
            onChange(event.target.valueAsNumber);
          }}
        />
      </div>
      {shown !== undefined && (
        <p className="sureness muted">
          doubtful <span aria-hidden="true" /> sure
        </p>
      )}
      <dl className="expected">
        <div className="precision">
          <dt>Expected precision</dt>
          <dd className="num">{expected === undefined ? "not measured" : <Share value={expected.precision} low={expected.precision_low} high={expected.precision_high} />}</dd>
        </div>
        <div className="recall">
          <dt>Expected recall</dt>
          <dd className="num">{expected === undefined ? "not measured" : <Share value={expected.recall} low={expected.recall_low} high={expected.recall_high} />}</dd>
        </div>
        {shown !== undefined && (
          <div>
            <dt>Picks shown</dt>
            <dd className="num">{count(shown)}</dd>
          </div>
        )}
      </dl>
    </div>
  );
}

/** A share with its interval; whole per cent are as much as anybody knows. */
function Share({ value, low, high }: { value: number; low: number; high: number }) {
  const whole = (share: number) => Math.round(100 * share);
  return (
    <>
      {whole(value)} %{" "}
      <span className="muted" title="Most likely between these">
        ({whole(low)}–{whole(high)})
      </span>
    </>
  );
}
