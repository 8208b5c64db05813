/** Numbers and times as people read them. */

/** `87 %`, with one decimal below 10 % and above 99 %, where whole percents would hide the difference. */
export function percent(probability: number): string {
  const value = probability * 100;
  if (value > 0 && value < 0.1) return "<0.1 %";
  if (value > 99.9 && value < 100) return ">99.9 %";
  const digits = (value > 0 && value < 9.95) || (value >= 99.05 && value < 100) ? 1 : 0;
  return `${value.toFixed(digits)} %`;
}

export const percentOrDash = (probability: number | null | undefined): string =>
  probability == null ? "–" : percent(probability);

const counts = new Intl.NumberFormat("en-GB");
export const count = (value: number): string => counts.format(value);

export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

const dates = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "numeric" });
const times = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export const date = (iso: string): string => dates.format(new Date(iso));
export const dateTime = (iso: string): string => times.format(new Date(iso));

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `3 hours ago`, `yesterday`. */
export function ago(iso: string, now: number): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return "just now";
}

/** `4 d 6 h` between two times; undefined where either is unknown. */
export function elapsed(from: string | null | undefined, to: string | null | undefined): string | undefined {
  if (from == null || to == null) return undefined;
  const hours = Math.round((new Date(to).getTime() - new Date(from).getTime()) / 3_600_000);
  if (hours < 0) return undefined;
  const days = Math.floor(hours / 24);
  if (days === 0) return `${hours} h`;
  return hours % 24 === 0 || days >= 7 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/** `1.3 MB`. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  return size < 1_000_000 ? `${(size / 1000).toFixed(0)} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}
