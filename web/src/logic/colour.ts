/**
 * The colour of a probability: almost nothing below 40 %, then growing fast.
 *
 * Two sequential ramps, one per theme. Each runs from the page's background away from it with steadily changing
 * lightness (in OKLab), so that the order survives every kind of colour blindness and a grey printout. Hue only helps.
 */

type Rgb = readonly [number, number, number];
type Lab = readonly [number, number, number];

export const KNEE = 0.4;
const BELOW_KNEE = 0.06;
const GROWTH = 1.15;

const LIGHT_STOPS = ["#e8ecef", "#efd28c", "#eda345", "#c64a2c", "#5c1148"] as const;
const DARK_STOPS = ["#2a333a", "#553f6b", "#a8456b", "#ee7f40", "#ffeb9c"] as const;

/** Where on the ramp (0 to 1) a probability (0 to 1) lies. Rises strictly. */
export function emphasis(probability: number): number {
  const p = Math.min(1, Math.max(0, probability));
  if (p <= KNEE) return (BELOW_KNEE * p) / KNEE;
  return BELOW_KNEE + (1 - BELOW_KNEE) * ((p - KNEE) / (1 - KNEE)) ** GROWTH;
}

function parseHex(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function toHex(rgb: Rgb): string {
  return `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, "0")).join("")}`;
}

const linear = (channel: number) =>
  channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4;
const gamma = (value: number) =>
  255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * Math.max(0, value) ** (1 / 2.4) - 0.055);

/** OKLab of an sRGB colour (B. Ottosson, 2020: "A perceptual color space for image processing"). */
export function toLab([r8, g8, b8]: Rgb): Lab {
  const [r, g, b] = [linear(r8), linear(g8), linear(b8)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromLab([lightness, a, b]: Lab): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clamp = (value: number) => Math.min(255, Math.max(0, gamma(value)));
  return [
    clamp(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    clamp(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    clamp(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

const STEPS = 96;

function makeRamp(stops: readonly string[]): readonly string[] {
  const labs = stops.map((stop) => toLab(parseHex(stop)));
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const place = (step / STEPS) * (labs.length - 1);
    const index = Math.min(labs.length - 2, Math.floor(place));
    const [from, to] = [labs[index], labs[index + 1]];
    if (from === undefined || to === undefined) throw new RangeError("a ramp needs at least two stops");
    const share = place - index;
    const mix = (channel: 0 | 1 | 2) => from[channel] + (to[channel] - from[channel]) * share;
    return toHex(fromLab([mix(0), mix(1), mix(2)]));
  });
}

export const RAMPS = { light: makeRamp(LIGHT_STOPS), dark: makeRamp(DARK_STOPS) } as const;
export type Theme = keyof typeof RAMPS;

const CSS_COLOURS = RAMPS.light.map((light, step) => `light-dark(${light}, ${RAMPS.dark[step] ?? light})`);

/** The colour of a probability in one theme, as `#rrggbb`. */
export function rampColour(probability: number, theme: Theme): string {
  return RAMPS[theme][Math.round(emphasis(probability) * STEPS)] ?? RAMPS[theme][0] ?? "#000000";
}

/** The colour of a probability as CSS that follows the theme by itself. */
export function cssColour(probability: number): string {
  return CSS_COLOURS[Math.round(emphasis(probability) * STEPS)] ?? "transparent";
}

/** How large a drop's disc is, as a share of its cell: size says the same as colour. */
export function discSize(probability: number): number {
  return 0.46 + 0.42 * emphasis(probability);
}
