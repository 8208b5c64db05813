/** Where the whole specimen went, frame by frame. */
import { boundsOf, type Path, scaleLength } from "../logic/tracks";

const EARLY = 4;

export function TrackPlot({ path }: { path: Path }) {
  const { left, top, width, height } = boundsOf(path);
  const at = (value: number, from: number) => ((value - from) / width) * 200;
  const points = path.map(([x, y]) => `${at(x, left).toFixed(1)},${at(y, top).toFixed(1)}`);
  const scale = scaleLength(width);
  const [first] = path;
  return (
    <svg className="track" viewBox={`0 0 200 ${(200 * height) / width}`} role="img" aria-label={`Path of the specimen over ${path.length} frames`}>
      <polyline className="late" points={points.slice(EARLY - 1).join(" ")} />
      <polyline className="early" points={points.slice(0, EARLY).join(" ")} />
      {path.map(([x, y], frame) => (
        <circle key={frame} cx={at(x, left)} cy={at(y, top)} r={frame === 0 ? 3.4 : 1.7} className={frame < EARLY ? "early" : "late"}>
          <title>Frame {frame + 1}</title>
        </circle>
      ))}
      {first !== undefined && (
        <text
          x={at(first[0], left) + (at(first[0], left) > 160 ? -6 : 6)}
          y={at(first[1], top) - (at(first[1], top) > 18 ? 6 : -14)}
          textAnchor={at(first[0], left) > 160 ? "end" : "start"}
        >
          start
        </text>
      )}
      <line className="scale" x1={8} x2={8 + (scale / width) * 200} y1={192} y2={192} />
      <text x={8} y={187}>
        {scale} Å
      </text>
    </svg>
  );
}
