import { cssColour } from "../logic/colour";
import { percent } from "../logic/format";
import { vars } from "./basics";

const STEPS = Array.from({ length: 51 }, (_, index) => index / 50);
const TICKS = [0, 0.4, 0.6, 0.8, 1];

export function Legend({ threshold }: { threshold: number | undefined }) {
  return (
    <div className="legend">
      <figure className="scale" aria-label="Colour of the crystal probability, from 0 to 100 percent">
        <div className="ramp">
          {STEPS.map((step) => (
            <span key={step} style={vars({ "--fill": cssColour(step) })} />
          ))}
          {threshold !== undefined && <b style={vars({ "--at": threshold })} title={`Alarm from ${percent(threshold)}`} />}
        </div>
        <div className="ticks num" aria-hidden="true">
          {TICKS.map((tick) => (
            <span key={tick} style={vars({ "--at": tick })}>
              {tick * 100}
              {tick === 1 ? " %" : ""}
            </span>
          ))}
        </div>
      </figure>
      <ul className="keys">
        {threshold !== undefined && (
          <li>
            <i className="drop hit sample" /> hit: {percent(threshold)} or more
          </li>
        )}
        <li>
          <i className="drop mark-crystal sample" /> person: crystal
        </li>
        <li>
          <i className="drop mark-other sample" /> person: other
        </li>
        <li>
          <i className="drop disagrees sample" /> person and model disagree
        </li>
        <li>
          <i className="drop unscored sample" /> not scored
        </li>
      </ul>
    </div>
  );
}
