/** Keeps the two images of a drop at the same zoom and place, as far as frames that are not registered allow. */
import type OpenSeadragon from "openseadragon";

type Viewer = OpenSeadragon.Viewer;

const STEP = 1.5;

export class ViewLink {
  #linked = true;
  readonly #viewers = new Set<Viewer>();
  #following = false;

  join(viewer: Viewer): () => void {
    this.#viewers.add(viewer);
    const follow = () => {
      this.#follow(viewer);
    };
    viewer.addHandler("zoom", follow);
    viewer.addHandler("pan", follow);
    return () => this.#viewers.delete(viewer);
  }

  setLinked(linked: boolean): void {
    this.#linked = linked;
  }

  zoomIn = (): void => {
    this.#lead((viewer) => viewer.viewport.zoomBy(STEP).applyConstraints());
  };

  zoomOut = (): void => {
    this.#lead((viewer) => viewer.viewport.zoomBy(1 / STEP).applyConstraints());
  };

  fit = (): void => {
    this.#all((viewer) => viewer.viewport.goHome());
  };

  /** One image pixel on one screen pixel. */
  actualPixels = (): void => {
    this.#all((viewer) => {
      const item = viewer.world.getItemAt(0) as OpenSeadragon.TiledImage | undefined;
      if (item !== undefined) viewer.viewport.zoomTo(item.imageToViewportZoom(1 / window.devicePixelRatio));
    });
  };

  #lead(act: (viewer: Viewer) => unknown): void {
    const [first, ...others] = this.#viewers;
    if (first !== undefined) act(first);
    if (!this.#linked) for (const other of others) act(other);
  }

  #all(act: (viewer: Viewer) => unknown): void {
    this.#following = true;
    for (const viewer of this.#viewers) act(viewer);
    this.#following = false;
  }

  /** Zoom relative to the whole image, and the centre as a share of its width and height, go to the other image. */
  #follow(leader: Viewer): void {
    if (!this.#linked || this.#following || leader.world.getItemCount() === 0) return;
    this.#following = true;
    const from = leader.viewport;
    const fromSize = leader.world.getHomeBounds();
    const centre = from.getCenter();
    for (const viewer of this.#viewers) {
      if (viewer === leader || viewer.world.getItemCount() === 0) continue;
      const to = viewer.viewport;
      const toSize = viewer.world.getHomeBounds();
      centre.x = (centre.x / fromSize.width) * toSize.width;
      centre.y = (centre.y / fromSize.height) * toSize.height;
      to.zoomTo((from.getZoom() / from.getHomeZoom()) * to.getHomeZoom());
      to.panTo(centre);
    }
    this.#following = false;
  }
}
