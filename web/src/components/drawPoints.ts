/**
 * Thousands of points on a canvas, told apart by colour and by shape: fine ones are dots, problematic ones crosses.
 *
 * They are written as pixels: a limit that is dragged draws all plots anew in every frame, and ten thousand shapes would
 * take a slow machine longer than a frame.
 */
import type { Drawing } from "./PlotCanvas";

interface Points {
  readonly count: number;
  /** Where a row lies on the canvas; NaN where it is not drawn. */
  readonly x: (row: number) => number;
  readonly y: (row: number) => number;
  /** 1: shown as it is; 0: faint, for what a filter or a selection leaves out. */
  readonly active: Uint8Array;
  readonly problematic: Float32Array;
}

/** Points for each pixel of the width, from which they are drawn smaller. */
const DENSE = 1.5;
/** Pixels of the width for each point, from which they are drawn larger. */
const SPARSE = 8;

/** A computed colour, `rgb(…)`, as a pixel of little-endian RGBA. */
function pixelOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Draws over whatever is there: to be called first. */
export function drawPoints({ context, colour, width }: Drawing, { count, x, y, active, problematic }: Points): void {
  const { width: wide, height: high } = context.canvas;
  if (wide === 0 || high === 0) return;
  const ratio = wide / width;
  const image = context.createImageData(wide, high);
  const pixels = new Uint32Array(image.data.buffer);
  const many = count > DENSE * width;
  const few = count * SPARSE < width;
  const square = (row: number, side: number, pixel: number) => {
    const left = Math.round(x(row) * ratio - side / 2);
    const top = Math.round(y(row) * ratio - side / 2);
    if (!(left >= 0 && top >= 0 && left + side <= wide && top + side <= high)) return;
    for (let line = top; line < top + side; line += 1) pixels.fill(pixel, line * wide + left, line * wide + left + side);
  };
  const faint = pixelOf(colour("--plot-faint"));
  const fine = pixelOf(colour("--plot-fine"));
  const problem = pixelOf(colour("--plot-problem"));
  const small = Math.max(1, Math.round((few ? 3 : 1.6) * ratio));
  const side = Math.max(2, Math.round((many ? 2 : few ? 5 : 3) * ratio));
  const arm = Math.max(2, Math.round((many ? 2 : few ? 3.4 : 2.6) * ratio));
  const thick = Math.max(1, Math.round(ratio * 0.9));
  for (let row = 0; row < count; row += 1) if (active[row] !== 1) square(row, small, faint);
  for (let row = 0; row < count; row += 1) {
    if (active[row] === 1 && !((problematic[row] ?? NaN) >= 0.5)) square(row, side, fine);
  }
  for (let row = 0; row < count; row += 1) {
    if (active[row] !== 1 || !((problematic[row] ?? NaN) >= 0.5)) continue;
    const [left, top] = [Math.round(x(row) * ratio), Math.round(y(row) * ratio)];
    if (!(left >= arm && top >= arm && left + arm + thick <= wide && top + arm + thick <= high)) continue;
    for (let step = -arm; step <= arm; step += 1) {
      for (let across = 0; across < thick; across += 1) {
        pixels[(top + step) * wide + left + step + across] = problem;
        pixels[(top - step) * wide + left + step + across] = problem;
      }
    }
  }
  context.putImageData(image, 0, 0);
}

/** Runs `draw` so that it lies below what is there. */
export function below(context: CanvasRenderingContext2D, draw: () => void): void {
  context.globalCompositeOperation = "destination-over";
  draw();
  context.globalCompositeOperation = "source-over";
}

/** Text that can be read over points. */
export function writeOver({ context, colour }: Drawing, text: string, x: number, y: number): void {
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = colour("--plot-ground");
  context.fillStyle = colour("--plot-text");
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
