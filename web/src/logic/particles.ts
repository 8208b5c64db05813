/** Picks and marks of a micrograph: decoding, counting, finding, and how sure a threshold makes one. */

export interface ThresholdPoint {
  readonly threshold: number;
  readonly precision: number;
  readonly precision_low: number;
  readonly precision_high: number;
  readonly recall: number;
  readonly recall_low: number;
  readonly recall_high: number;
}

export interface Point {
  readonly x_px: number;
  readonly y_px: number;
}

/** Where the viewer looks: screen = stored pixel × scale + offset. */
export interface View {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Rows of x, y, probability, best first, from base64 of little-endian float32. */
export function decodePicks(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** How many picks reach a threshold; they come best first. */
export function countAbove(picks: Float32Array, threshold: number): number {
  let low = 0;
  let high = picks.length / 3;
  while (low < high) {
    const middle = (low + high) >> 1;
    // Probabilities have come through 32 bits: the slider's 0.55 must not lose a pick of 0.55.
    if ((picks[3 * middle + 2] ?? 0) >= threshold - 1e-6) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Precision and recall to expect at a threshold, between the points that were measured; undefined without any. */
export function expectedAt(points: readonly ThresholdPoint[], threshold: number): ThresholdPoint | undefined {
  const first = points[0];
  const last = points[points.length - 1];
  if (first === undefined || last === undefined) return undefined;
  if (threshold <= first.threshold) return { ...first, threshold };
  if (threshold >= last.threshold) return { ...last, threshold };
  const above = points.findIndex((point) => point.threshold >= threshold);
  const after = points[above] ?? last;
  const before = points[above - 1] ?? first;
  const share = (threshold - before.threshold) / (after.threshold - before.threshold);
  const between = (of: keyof ThresholdPoint) => before[of] + share * (after[of] - before[of]);
  return {
    threshold,
    precision: between("precision"),
    precision_low: between("precision_low"),
    precision_high: between("precision_high"),
    recall: between("recall"),
    recall_low: between("recall_low"),
    recall_high: between("recall_high"),
  };
}

/** The whole micrograph in the middle of the window. */
export function fitted(micrograph: Size, window: Size): View {
  const scale = Math.min(window.width / micrograph.width, window.height / micrograph.height);
  return {
    scale,
    left: (window.width - micrograph.width * scale) / 2,
    top: (window.height - micrograph.height * scale) / 2,
  };
}

/** Zoomed by a factor with one place of the window held still. */
export function zoomed(view: View, factor: number, x: number, y: number, limits: { least: number; most: number }): View {
  const scale = Math.min(limits.most, Math.max(limits.least, view.scale * factor));
  const used = scale / view.scale;
  return { scale, left: x - (x - view.left) * used, top: y - (y - view.top) * used };
}

/** The stored pixel below a place of the window; the centre of the first stored pixel is (0, 0). */
export function placeAt(view: View, x: number, y: number): Point {
  return { x_px: (x - view.left) / view.scale - 0.5, y_px: (y - view.top) / view.scale - 0.5 };
}

/** Whether a place is within a radius of a shown pick or a mark. */
export function isOnParticle(
  place: Point,
  picks: Float32Array,
  shown: number,
  marks: readonly Point[],
  radius: number,
): boolean {
  const near = (x: number, y: number) => (x - place.x_px) ** 2 + (y - place.y_px) ** 2 <= radius ** 2;
  if (marks.some((mark) => near(mark.x_px, mark.y_px))) return true;
  for (let row = 0; row < shown; row += 1) {
    if (near(picks[3 * row] ?? 0, picks[3 * row + 1] ?? 0)) return true;
  }
  return false;
}

export const SHADES = 16;

/** From amber (doubtful) to cyan (sure), for a probability; told apart with every kind of colour vision. */
export function shade(step: number): string {
  const share = step / (SHADES - 1);
  const mix = (from: number, to: number) => Math.round(from + share * (to - from));
  return `rgb(${mix(255, 40)} ${mix(160, 225)} ${mix(0, 255)})`;
}

export const shadeOf = (probability: number): number =>
  Math.min(SHADES - 1, Math.max(0, Math.floor(probability * SHADES)));

const MODEL_TITLES: Readonly<Record<string, string>> = {
  "particles-general": "General network",
  log: "Dark blobs",
  template: "Round template",
};

/** What people call a model: those that come with structloop in words, others by their name. */
export const modelTitle = (name: string): string => MODEL_TITLES[name] ?? name;

const MODEL_WORDS: Readonly<Record<string, string>> = {
  "particles-general": "Finds particles of any protein, without labels. Training starts from it.",
  log: "No network: dark blobs of the particle's size. Fast; takes dirt and edges for particles more often.",
  template: "No network: matches a round disc of the particle's size. Fast; takes dirt and edges for particles more often.",
};

/** One line for people who choose among models. */
export const modelWords = (name: string): string => MODEL_WORDS[name] ?? "Learned from labels.";

/** A pixel size as people write it: headers keep 2.4 in 32 bits. */
export const pixelSizeText = (angstrom: number): string => `${Number(angstrom.toPrecision(5))} Å/px`;

/** Names of files without the folders that they all share. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
