/** A canvas that is drawn anew when its size, the theme, or what it shows changes; thousands of points are no elements. */
import { useEffect, useRef } from "react";
import { useTheme } from "./theme";

export interface Drawing {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
  /** A colour of the design by its custom property. */
  readonly colour: (name: string) => string;
  /** Of small labels. */
  readonly font: string;
}

interface Props {
  readonly label: string;
  readonly className: string;
  /** Stable as long as it would draw the same. */
  readonly draw: (drawing: Drawing) => void;
  readonly onSize?: (width: number, height: number) => void;
}

export function PlotCanvas({ label, className, draw, onSize }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const paint = () => {
      const context = element.getContext("2d");
      if (context === null) return;
      const { clientWidth: width, clientHeight: height } = element;
      if (width === 0 || height === 0) return;
      const ratio = window.devicePixelRatio;
      const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (element.width !== wide || element.height !== high) {
        element.width = wide;
        element.height = high;
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const style = getComputedStyle(element);
      const colour = (name: string) => style.getPropertyValue(name).trim();
      draw({ context, width, height, colour, font: `10px ${style.fontFamily}` });
      onSize?.(width, height);
    };
    paint();
    const observer = new ResizeObserver(paint);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, [draw, onSize, theme]);
  return <canvas ref={canvas} className={className} role="img" aria-label={label} />;
}
