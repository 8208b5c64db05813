"""Reading images, and what is derived from them for display: 8-bit pixels, thumbnails, deep-zoom tiles."""

from structloop.imaging.micrographs import Micrograph, MicrographHeader, probe_micrograph, read_micrograph
from structloop.imaging.pyramids import deep_zoom
from structloop.imaging.reading import IMAGE_ENDINGS, ImageProbe, probe_image, read_image
from structloop.imaging.thumbnails import thumbnail

__all__ = [
    "IMAGE_ENDINGS",
    "ImageProbe",
    "Micrograph",
    "MicrographHeader",
    "deep_zoom",
    "probe_image",
    "probe_micrograph",
    "read_image",
    "read_micrograph",
    "thumbnail",
]
