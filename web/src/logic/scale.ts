/** A scale bar of a round length that fits below an image. */

const LONGEST_PX = 140;
const ROUND = [1, 2, 5];

export interface ScaleBar {
  readonly pixels: number;
  readonly text: string;
}

/** The longest bar of 1, 2 or 5 times a power of ten micrometres that is at most 140 screen pixels long. */
export function scaleBar(umPerScreenPixel: number): ScaleBar {
  const most = LONGEST_PX * umPerScreenPixel;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = power * (ROUND.findLast((factor) => factor * power <= most) ?? 1);
  const text = length >= 1000 ? `${length / 1000} mm` : `${Number(length.toPrecision(1))} µm`;
  return { pixels: length / umPerScreenPixel, text };
}
