/** Paths of the specimen during an exposure, as they are drawn. */

export type Path = readonly (readonly [number, number])[];

export interface Bounds {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The square that holds a path, with room around it; at least 1 Å wide. */
export function boundsOf(path: Path): Bounds {
  const xs = path.map(([x]) => x);
  const ys = path.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const side = Math.max(right - left, bottom - top, 1) * 1.2;
  return { left: (left + right - side) / 2, top: (top + bottom - side) / 2, width: side, height: side };
}

/** How many times larger than life paths are drawn, so that the longest spans a twelfth of the picture: a round number. */
export function exaggeration(paths: readonly Path[], pixelSizeAngstrom: number, widthPx: number): number {
  const longest = Math.max(...paths.map((path) => boundsOf(path).width / 1.2 / pixelSizeAngstrom), 1e-6);
  const wanted = widthPx / 12 / longest;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const round = [5, 2, 1].find((factor) => factor * power <= wanted) ?? 1;
  return Math.max(1, round * power);
}

/** Length of a round scale for a plot that is so many Å wide. */
export function scaleLength(width: number): number {
  const most = width / 3;
  const power = 10 ** Math.floor(Math.log10(most));
  return ([5, 2, 1].find((factor) => factor * power <= most) ?? 1) * power;
}
