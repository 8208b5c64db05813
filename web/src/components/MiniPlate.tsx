/** A plate's map at a glance, for lists: one square per drop, drawn once. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { PlateMap, PlateSummary } from "../api/client";
import * as queries from "../api/queries";
import { rampColour, type Theme } from "../logic/colour";
import { useTheme } from "./theme";

const WIDTH = 120;
const HEIGHT = 56;
const MOST_DROPS = 1536;

function draw(canvas: HTMLCanvasElement, map: PlateMap, theme: Theme): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const scale = window.devicePixelRatio;
  canvas.width = WIDTH * scale;
  canvas.height = HEIGHT * scale;
  context.scale(scale, scale);
  const perWell = map.drops.length;
  const wellWidth = WIDTH / map.columns;
  const wellHeight = HEIGHT / map.rows;
  const gap = wellWidth > 6 ? 1 : 0.5;
  const width = (wellWidth - gap) / perWell;
  context.fillStyle = theme === "light" ? "#f1f3f5" : "#1d2429";
  for (let well = 0; well < map.rows * map.columns; well += 1) {
    const [row, column] = [Math.floor(well / map.columns), well % map.columns];
    context.fillRect(column * wellWidth, row * wellHeight, wellWidth - gap, wellHeight - gap);
  }
  for (const cell of map.cells) {
    const place = Math.max(0, map.drops.indexOf(cell.drop));
    context.fillStyle = rampColour(cell.probability ?? 0, theme);
    context.globalAlpha = cell.probability === null ? 0.6 : 1;
    context.fillRect(cell.column * wellWidth + place * width, cell.row * wellHeight, width, wellHeight - gap);
  }
  canvas.dataset.drawn = "true";
}

export function MiniPlate({ plate }: { plate: PlateSummary }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [seen, setSeen] = useState(false);
  const theme = useTheme();
  const small = plate.rows * plate.columns * plate.drops.length <= MOST_DROPS;
  const { data } = useQuery({ ...queries.plateMap(plate.id), enabled: seen && small });
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) setSeen(true);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  useEffect(() => {
    if (canvas.current !== null && data !== undefined) draw(canvas.current, data, theme);
  }, [data, theme]);
  return <canvas ref={canvas} className="mini-plate" aria-hidden="true" />;
}
