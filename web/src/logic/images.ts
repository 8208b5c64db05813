/** Which of a drop's images are shown at an inspection, when there are several. */
import type { DropInspection, Image } from "../api/client";

const current = (images: readonly Image[]): Image[] => images.filter((image) => image.superseded_by_id === null);

function choose(images: readonly Image[], scored: number | null | undefined): Image | undefined {
  return (
    images.find((image) => image.id === scored) ?? images.find((image) => image.focus === "extended") ?? images[0]
  );
}

export interface ShownImages {
  readonly visible: Image | undefined;
  readonly other: Image | undefined;
  /** All that can be chosen instead. */
  readonly visibleChoices: readonly Image[];
  readonly otherChoices: readonly Image[];
}

/** The images that the score is about where there is one, else the extended focus, else the first. */
export function shownImages(inspection: DropInspection): ShownImages {
  const images = current(inspection.images);
  const visibleChoices = images.filter((image) => image.modality === "visible");
  const otherChoices = images.filter((image) => image.modality !== "visible");
  return {
    visible: choose(visibleChoices, inspection.score?.image_visible_id),
    other: choose(otherChoices, inspection.score?.image_uv_id),
    visibleChoices,
    otherChoices,
  };
}

const MODALITIES: Readonly<Record<Image["modality"], string>> = {
  visible: "Visible",
  uv: "UV",
  "uv-tpef": "UV-TPEF",
  shg: "SHG",
  electrons: "Electrons",
};

export const modalityName = (image: Image): string => MODALITIES[image.modality];

export const imageName = (image: Image): string =>
  [MODALITIES[image.modality], image.profile, image.focus === "extended" ? "extended focus" : ""]
    .filter((part) => part !== "")
    .join(", ");
