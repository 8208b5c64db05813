/** A micrograph to look at and to mark: the picture below, picks and marks above; zoom, pan, click and box. */
import { useEffect, useEffectEvent, useImperativeHandle, useRef, useState } from "react";
import type { Ref } from "react";
import { fitted, isOnParticle, placeAt, type Point, shade, shadeOf, SHADES, type Size, type View, zoomed } from "../logic/particles";

export type Tool = "mark" | "box";

export interface Box {
  readonly left_px: number;
  readonly top_px: number;
  readonly right_px: number;
  readonly bottom_px: number;
}

export interface Handle {
  readonly fit: () => void;
  readonly zoom: (factor: number) => void;
}

interface Props {
  readonly ref?: Ref<Handle>;
  readonly size: Size;
  readonly picture: string;
  readonly mask: string | undefined;
  readonly contrast: number;
  readonly brightness: number;
  readonly picks: Float32Array;
  readonly shown: number;
  readonly particles: readonly Point[];
  readonly others: readonly Point[];
  readonly diameterPx: number;
  readonly hidden: boolean;
  readonly tool: Tool;
  readonly label: string;
  /** Draws more over the picture; stable as long as it would draw the same. */
  readonly drawOver?: (context: CanvasRenderingContext2D, view: View) => void;
  readonly onMark: (place: Point) => void;
  readonly onErase: (place: Point) => void;
  readonly onEraseBox: (box: Box) => void;
}

const MOST_SCALE = 8;
const CLICK_SLACK_PX = 4;
const CLICK_DIAMETERS = 0.6;
const WHEEL = 0.0015;
/** Below this radius on the screen a circle is a blot: a square says as much and is drawn far sooner. */
const SMALL_PX = 3;

interface Drag {
  readonly x: number;
  readonly y: number;
  readonly view: View;
  readonly box: boolean;
  moved: boolean;
}

/** The picture at an address, once it is loaded. */
function usePicture(address: string | undefined): { image: HTMLImageElement | undefined; failed: boolean } {
  const [loaded, setLoaded] = useState<{ address: string; image?: HTMLImageElement }>();
  useEffect(() => {
    if (address === undefined) return undefined;
    const image = new Image();
    let current = true;
    image.onload = () => {
      if (current) setLoaded({ address, image });
    };
    image.onerror = () => {
      if (current) setLoaded({ address });
    };
    image.src = address;
    return () => {
      current = false;
    };
  }, [address]);
  // While another low-pass loads, the old picture of the same micrograph stays.
  const failed = loaded !== undefined && loaded.address === address && loaded.image === undefined;
  return { image: address === undefined ? undefined : loaded?.image, failed };
}

export function MicrographCanvas(props: Props) {
  const { ref, size, picture, mask, contrast, brightness, picks, shown, particles, others, diameterPx, hidden, tool, drawOver } = props;
  const ground = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const [view, setView] = useState<View>();
  const [frame, setFrame] = useState<Size>();
  const [box, setBox] = useState<Box>();
  const drag = useRef<Drag>(undefined);
  const { image, failed } = usePicture(picture);
  const maskImage = usePicture(mask).image;
  const shownView = view ?? (frame === undefined ? undefined : fitted(size, frame));

  useEffect(() => {
    const element = overlay.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => {
      setFrame({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);

  const limits = (): { least: number; most: number } => {
    const whole = frame === undefined ? 0.01 : fitted(size, frame).scale;
    return { least: whole * 0.5, most: MOST_SCALE };
  };
  const zoomBy = (factor: number, x: number, y: number) => {
    if (shownView !== undefined) setView(zoomed(shownView, factor, x, y, limits()));
  };
  useImperativeHandle(ref, () => ({
    fit: () => {
      setView(undefined);
    },
    zoom: (factor: number) => {
      if (frame !== undefined) zoomBy(factor, frame.width / 2, frame.height / 2);
    },
  }));

  // React listens to wheels passively, and a passive listener cannot keep the page from scrolling.
  const onWheel = useEffectEvent((event: WheelEvent) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * WHEEL * (event.deltaMode === 1 ? 16 : 1)), event.offsetX, event.offsetY);
  });
  useEffect(() => {
    const element = overlay.current;
    if (element === null) return undefined;
    const listen = (event: WheelEvent) => {
      onWheel(event);
    };
    element.addEventListener("wheel", listen, { passive: false });
    return () => {
      element.removeEventListener("wheel", listen);
    };
  }, []);

  useEffect(() => {
    const context = prepared(ground.current, frame);
    if (context === undefined || shownView === undefined) return;
    if (image === undefined) return;
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = shownView.scale * (size.width / image.naturalWidth) < 2;
    const { left, top, scale } = shownView;
    context.drawImage(image, left, top, size.width * scale, size.height * scale);
  }, [image, shownView, frame, size]);

  useEffect(() => {
    const context = prepared(overlay.current, frame);
    if (context === undefined || shownView === undefined || frame === undefined) return;
    const { left, top, scale } = shownView;
    if (maskImage !== undefined) {
      context.globalAlpha = 0.35;
      context.globalCompositeOperation = "source-over";
      context.drawImage(tinted(maskImage), left, top, size.width * scale, size.height * scale);
      context.globalAlpha = 1;
    }
    if (!hidden) {
      const radius = Math.max(1.5, (diameterPx / 2) * scale);
      drawPicks(context, picks, shown, shownView, frame, radius);
      drawMarks(context, particles, others, shownView, radius);
    }
    drawOver?.(context, shownView);
    if (box !== undefined) {
      context.strokeStyle = "#ff5d5d";
      context.fillStyle = "rgb(255 93 93 / 15%)";
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      const x = (box.left_px + 0.5) * scale + left;
      const y = (box.top_px + 0.5) * scale + top;
      const width = (box.right_px - box.left_px) * scale;
      const height = (box.bottom_px - box.top_px) * scale;
      context.fillRect(x, y, width, height);
      context.strokeRect(x, y, width, height);
      context.setLineDash([]);
    }
  }, [picks, shown, particles, others, diameterPx, hidden, drawOver, maskImage, shownView, frame, size, box]);

  const boxOf = (from: Drag, x: number, y: number): Box => {
    const a = placeAt(from.view, from.x, from.y);
    const b = placeAt(from.view, x, y);
    return {
      left_px: Math.min(a.x_px, b.x_px),
      right_px: Math.max(a.x_px, b.x_px),
      top_px: Math.min(a.y_px, b.y_px),
      bottom_px: Math.max(a.y_px, b.y_px),
    };
  };

  return (
    <div className="micrograph-canvas">
      <canvas ref={ground} style={{ filter: `contrast(${contrast}) brightness(${brightness})` }} />
      <canvas
        ref={overlay}
        className={tool === "box" ? "over boxing" : "over"}
        role="img"
        aria-label={props.label}
        onPointerDown={(event) => {
          if (event.button !== 0 || shownView === undefined) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          const { offsetX: x, offsetY: y } = event.nativeEvent;
          drag.current = { x, y, view: shownView, box: tool === "box" || event.shiftKey, moved: false };
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (from === undefined) return;
          const { offsetX: x, offsetY: y } = event.nativeEvent;
          if (!from.moved && Math.hypot(x - from.x, y - from.y) < CLICK_SLACK_PX) return;
          from.moved = true;
          if (from.box) setBox(boxOf(from, x, y));
          else setView({ ...from.view, left: from.view.left + x - from.x, top: from.view.top + y - from.y });
        }}
        onPointerUp={(event) => {
          const from = drag.current;
          drag.current = undefined;
          setBox(undefined);
          if (from === undefined) return;
          const { offsetX: x, offsetY: y } = event.nativeEvent;
          if (from.moved) {
            if (from.box) props.onEraseBox(boxOf(from, x, y));
            return;
          }
          const place = placeAt(from.view, x, y);
          const inside =
            place.x_px >= -0.5 && place.y_px >= -0.5 && place.x_px < size.width - 0.5 && place.y_px < size.height - 0.5;
          if (!inside || from.box) return;
          const visible = hidden ? 0 : shown;
          if (isOnParticle(place, picks, visible, particles, diameterPx * CLICK_DIAMETERS * 0.8)) props.onErase(place);
          else props.onMark(place);
        }}
        onPointerCancel={() => {
          drag.current = undefined;
          setBox(undefined);
        }}
        onDoubleClick={(event) => {
          event.preventDefault();
        }}
      />
      {image === undefined && !failed && (
        <div className="canvas-note" aria-busy="true">
          Reading the micrograph …
        </div>
      )}
      {failed && (
        <div className="canvas-note" role="alert">
          The picture cannot be made; the micrograph may have been moved.
        </div>
      )}
    </div>
  );
}

/** A canvas cleared and scaled to the screen's own pixels. */
function prepared(canvas: HTMLCanvasElement | null, frame: Size | undefined): CanvasRenderingContext2D | undefined {
  const context = canvas?.getContext("2d");
  if (canvas === null || context == null || frame === undefined) return undefined;
  const ratio = window.devicePixelRatio;
  const width = Math.round(frame.width * ratio);
  const height = Math.round(frame.height * ratio);
  // Setting the size drops the canvas's memory, so it is done only where it changes.
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, frame.width, frame.height);
  return context;
}

function drawPicks(
  context: CanvasRenderingContext2D,
  picks: Float32Array,
  shown: number,
  view: View,
  frame: Size,
  radius: number,
): void {
  context.lineWidth = radius > 12 ? 2 : 1.4;
  // Best first: all of a shade lie together, and each shade is one path.
  let row = 0;
  while (row < shown) {
    const step = shadeOf(picks[3 * row + 2] ?? 0);
    context.beginPath();
    for (; row < shown && shadeOf(picks[3 * row + 2] ?? 0) === step; row += 1) {
      const x = ((picks[3 * row] ?? 0) + 0.5) * view.scale + view.left;
      const y = ((picks[3 * row + 1] ?? 0) + 0.5) * view.scale + view.top;
      if (x < -radius || y < -radius || x > frame.width + radius || y > frame.height + radius) continue;
      if (radius < SMALL_PX) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
      else {
        context.moveTo(x + radius, y);
        context.arc(x, y, radius, 0, 2 * Math.PI);
      }
    }
    context.strokeStyle = shade(Math.min(step, SHADES - 1));
    context.stroke();
  }
}

function drawMarks(
  context: CanvasRenderingContext2D,
  particles: readonly Point[],
  others: readonly Point[],
  view: View,
  radius: number,
): void {
  const at = (point: Point): [number, number] => [
    (point.x_px + 0.5) * view.scale + view.left,
    (point.y_px + 0.5) * view.scale + view.top,
  ];
  context.beginPath();
  for (const point of particles) {
    const [x, y] = at(point);
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.moveTo(x + 2, y);
    context.arc(x, y, 2, 0, 2 * Math.PI);
  }
  // On any ground: a dark line below the light one.
  context.strokeStyle = "rgb(0 0 0 / 70%)";
  context.lineWidth = 4;
  context.stroke();
  context.strokeStyle = "#ffffff";
  context.lineWidth = 2;
  context.stroke();
  context.beginPath();
  const arm = Math.max(3, radius * 0.5);
  for (const point of others) {
    const [x, y] = at(point);
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
    context.moveTo(x + arm, y - arm);
    context.lineTo(x - arm, y + arm);
  }
  context.strokeStyle = "#ff5d5d";
  context.lineWidth = 1.5;
  context.stroke();
}

const tints = new WeakMap<HTMLImageElement, HTMLCanvasElement>();

/** The mask in red where it is white, clear where it is black. */
function tinted(mask: HTMLImageElement): HTMLCanvasElement {
  const known = tints.get(mask);
  if (known !== undefined) return known;
  const canvas = document.createElement("canvas");
  canvas.width = mask.naturalWidth;
  canvas.height = mask.naturalHeight;
  const context = canvas.getContext("2d");
  if (context !== null) {
    context.drawImage(mask, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let place = 0; place < pixels.data.length; place += 4) {
      const white = pixels.data[place] ?? 0;
      pixels.data.set([214, 60, 90, white], place);
    }
    context.putImageData(pixels, 0, 0);
  }
  tints.set(mask, canvas);
  return canvas;
}
