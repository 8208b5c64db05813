/** One image, zoomable to the pixel, on the dark ground that pictures are judged on. */
import OpenSeadragon from "openseadragon";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { deepZoomUrl, type Image, thumbnailUrl } from "../api/client";
import { scaleBar } from "../logic/scale";
import { vars } from "./basics";
import type { ViewLink } from "./viewLink";

const MOST_SCREEN_PIXELS_PER_PIXEL = 16;

// OpenSeadragon adds a style element that the content policy refuses, unless it finds its own mark; its rules are in
// drop.css.
const MARK = "data-openseadragon-mobile-css";

function markStyles(): void {
  if (document.querySelector(`style[${MARK}]`) !== null) return;
  // Of no namespace that browsers know: a selector finds it, but it is no style sheet.
  const mark = document.createElementNS("urn:structloop:mark", "style");
  mark.setAttribute(MARK, "true");
  document.head.append(mark);
}

interface Props {
  readonly image: Image;
  readonly name: string;
  readonly link: ViewLink;
}

export function DeepZoom({ image, name, link }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const viewer = useRef<OpenSeadragon.Viewer>(null);
  const [opened, setOpened] = useState<number>();
  const [failed, setFailed] = useState<number>();
  const [zoom, setZoom] = useState<number>();
  const shownDrop = useRef<number>(undefined);

  const settled = useEffectEvent(() => {
    setOpened(image.id);
    setFailed(undefined);
  });
  const broken = useEffectEvent(() => {
    setFailed(image.id);
  });
  const moved = useEffectEvent(() => {
    const item = viewer.current?.world.getItemAt(0);
    if (item !== undefined && viewer.current !== null) {
      setZoom(item.viewportToImageZoom(viewer.current.viewport.getZoom(true)));
    }
  });

  useEffect(() => {
    if (place.current === null) return undefined;
    markStyles();
    const made = OpenSeadragon({
      element: place.current,
      drawer: "canvas",
      showNavigationControl: false,
      // The page has its own keys; arrows go to the next drop, not across the image.
      keyboardNavEnabled: false,
      animationTime: 0.25,
      springStiffness: 9,
      visibilityRatio: 0.6,
      minZoomImageRatio: 0.8,
      maxZoomPixelRatio: MOST_SCREEN_PIXELS_PER_PIXEL,
      // Enlarged pixels stay pixels: nothing is made up between them.
      imageSmoothingEnabled: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsTouch: { pinchRotate: false },
      immediateRender: true,
    });
    viewer.current = made;
    made.addHandler("tile-drawn", settled);
    made.addHandler("open-failed", broken);
    made.addHandler("update-viewport", moved);
    const leave = link.join(made);
    return () => {
      leave();
      made.destroy();
      viewer.current = null;
    };
  }, [link]);

  const { id, drop_id: dropId } = image;
  useEffect(() => {
    const made = viewer.current;
    if (made === null) return;
    // Another inspection of the same drop keeps the place that one looks at; another drop starts whole.
    const place = shownDrop.current === dropId ? made.viewport.getBounds() : undefined;
    shownDrop.current = dropId;
    if (place !== undefined) {
      made.addOnceHandler("open", () => {
        made.viewport.fitBounds(place, true);
      });
    }
    made.open({ tileSource: deepZoomUrl(id) });
  }, [id, dropId]);

  const bar = zoom !== undefined && image.um_per_pixel !== null ? scaleBar(image.um_per_pixel / zoom) : undefined;
  return (
    <div className="deep-zoom">
      {opened !== id && (
        <img className="underlay" src={thumbnailUrl(id)} alt="" fetchPriority="high" />
      )}
      <div ref={place} className={opened === id ? "canvas" : "canvas waiting"} role="img" aria-label={name} />
      {failed === id && <p className="failed">This image cannot be read any more: {image.path}</p>}
      {bar !== undefined && (
        <div className="scale-bar num" style={vars({ "--length": `${bar.pixels}px` })}>
          {bar.text}
        </div>
      )}
      {zoom !== undefined && <div className="zoom-level num">{Math.round(zoom * 100)} %</div>}
    </div>
  );
}
