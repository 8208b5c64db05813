/** Rows of one height of which only those in view exist: a list of thousands costs as much as one of thirty. */
import { type ReactNode, useEffect, useImperativeHandle, useRef, useState } from "react";
import type { Ref } from "react";
import { vars } from "./basics";

const OVERSCAN = 4;

export interface VirtualHandle {
  /** Brings an item into view. */
  readonly show: (index: number) => void;
}

interface Props {
  readonly ref?: Ref<VirtualHandle> | undefined;
  readonly className: string;
  readonly label: string;
  readonly count: number;
  readonly rowPx: number;
  /** How wide an item is, where several lie beside each other. */
  readonly itemPx?: number;
  readonly header?: ReactNode;
  readonly children: (index: number) => ReactNode;
}

export function Virtual({ ref, className, label, count, rowPx, itemPx, header, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 0, width: 0 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const look = () => {
      setView({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  const across = itemPx === undefined ? 1 : Math.max(1, Math.floor(view.width / itemPx));
  const lines = Math.ceil(count / across);
  useImperativeHandle(ref, () => ({
    show: (index) => {
      const element = box.current;
      if (element === null || index < 0) return;
      const head = element.querySelector<HTMLElement>(".virtual-head")?.offsetHeight ?? 0;
      const top = Math.floor(index / across) * rowPx;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + rowPx > element.scrollTop + element.clientHeight - head)
        element.scrollTop = top + rowPx - element.clientHeight + head;
    },
  }));
  const first = Math.max(0, Math.floor(view.top / rowPx) - OVERSCAN);
  const last = Math.min(lines, Math.ceil((view.top + view.height) / rowPx) + OVERSCAN);
  const items: ReactNode[] = [];
  for (let index = first * across; index < Math.min(count, last * across); index += 1) items.push(children(index));
  return (
    <div ref={box} className={`virtual ${className}`} role="list" aria-label={label} tabIndex={-1}>
      {header !== undefined && <div className="virtual-head">{header}</div>}
      <div className="virtual-body" style={vars({ "--height": `${lines * rowPx}px` })}>
        <div className="virtual-items" style={vars({ "--top": `${first * rowPx}px`, "--across": across })}>
          {items}
        </div>
      </div>
    </div>
  );
}
