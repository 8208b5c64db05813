"""An example of a microscope driver: a microscope whose specimen is a picture."""

from structloop_example_microscope.driver import PictureDriver
from structloop_example_microscope.microscope import PictureMicroscope
from structloop_example_microscope.slide import Slide

__all__ = ["PictureDriver", "PictureMicroscope", "Slide"]
