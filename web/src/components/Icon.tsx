/** The few icons of the interface, drawn on a 16 px grid with one stroke. */
const PATHS = {
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.8 10.8 14 14",
  plates: "M2.5 3.5h11v9h-11ZM2.5 8h11M6.2 3.5v9M9.8 3.5v9",
  hits: "M8 1.8 13.4 5v6L8 14.2 2.6 11V5ZM2.6 5 8 8.2 13.4 5M8 8.2v6",
  models: "M3 4.5a1.5 1.5 0 1 0 0-.01M3 11.5a1.5 1.5 0 1 0 0-.01M13 8a1.5 1.5 0 1 0 0-.01M4.4 4.9 11.6 7.6M4.4 11.1 11.6 8.4",
  jobs: "M2.5 4h7M2.5 8h11M2.5 12h5",
  curation: "M2.5 3.5h7M2.5 7h4.5M2.5 10.5h3.5M7.5 10.5l2.5 2.5 4.5-6",
  learning: "M2 12.5 6 8.5l2.5 2.5L14 4.5M10.5 4.5H14V8",
  target: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  exposures: "M2 13.5V2.5M2 13.5h12M4.5 10l2.5-3 2.5 2L13.5 4",
  particles: "M5 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM11.5 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM6.5 13.5a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  folder: "M1.5 4h4.5l1.5 1.5h7v7.5h-13Z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1M11.9 11.9 13 13M3 13l1.1-1.1M11.9 4.1 13 3",
  moon: "M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1Z",
  system: "M2 3h12v8H2ZM6 14h4M8 11v3",
  help: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.5.3-.8.6-.8 1.2M8 11.4v.1",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  up: "M3 10l5-5 5 5",
  down: "M3 6l5 5 5-5",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  copy: "M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5 6.5 12 13 4.5",
  download: "M8 2v8.5M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11",
  refresh: "M13 4v3.5H9.5M3 12V8.5h3.5M12.6 7.3A5 5 0 0 0 3.9 5.6M3.4 8.7a5 5 0 0 0 8.7 1.7",
  link: "M6.5 9.5 9.5 6.5M7 4.5l1.6-1.6a3 3 0 0 1 4.3 4.3L11.4 8.8M9 11.5l-1.6 1.6a3 3 0 0 1-4.3-4.3l1.5-1.6",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  blind: "M2 2l12 12M6.2 3.8A6.9 6.9 0 0 1 8 3.5c4 0 6.5 4.5 6.5 4.5a11 11 0 0 1-1.9 2.4M4.2 4.9A11 11 0 0 0 1.5 8S4 12.5 8 12.5a6.6 6.6 0 0 0 3-.7",
  undo: "M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6",
  warn: "M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.6v.1",
  empty: "M2.5 3.5h11v9h-11Z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg width={22} height={22} viewBox="0 0 32 32" aria-hidden="true">
      <path d="M16 2.5 27.7 9.25v13.5L16 29.5 4.3 22.75V9.25Z" fill="#0f5c73" />
      <path d="M16 2.5V16L4.3 9.25ZM16 16l11.7 6.75L16 29.5Z" fill="#2b93ab" />
      <path d="M16 16 27.7 9.25v13.5Z" fill="#8fd6dd" />
    </svg>
  );
}
