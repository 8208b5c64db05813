import type { KeyboardEvent } from "react";

/** Arrow keys over a wall of pictures, by where they lie on screen. */
export function movePictures(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const here = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-picture]") : null;
  if (step === undefined || here === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const pictures = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-picture]")];
  const index = pictures.indexOf(here);
  const perRow = Math.max(1, pictures.findIndex((other) => other.offsetTop > (pictures[0]?.offsetTop ?? 0)));
  const columns = perRow === 1 && pictures.at(-1)?.offsetTop === pictures[0]?.offsetTop ? pictures.length : perRow;
  const next = pictures[index + (step[0] ?? 0) + (step[1] ?? 0) * columns];
  event.preventDefault();
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
