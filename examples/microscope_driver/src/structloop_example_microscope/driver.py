"""The driver: from an address to a microscope."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from structloop.core.errors import NotCapableError
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.microscope import Microscope
from structloop.schema.acquisition import Capability, Tier
from structloop_example_microscope.microscope import PictureMicroscope
from structloop_example_microscope.slide import Slide


class PictureDriver:
    """`picture:///data/slide.tif?um_per_pixel=0.2`, or `picture://` for a slide that is made up."""

    name = "picture"
    tier = Tier.COMMAND
    capabilities = frozenset({Capability.STAGE, Capability.OPTICS, Capability.IMAGE_SHIFT, Capability.CAMERA})
    summary = "An example: a microscope whose specimen is a picture"
    options: Mapping[str, str] = MappingProxyType(
        {"um_per_pixel": "size of the picture's pixels, micrometres", "seed": "of the slide that is made up"}
    )

    def open(self, address: ScopeAddress) -> Microscope:
        """The microscope at an address; the picture is read when it is connected."""
        um_per_pixel = _number(address, "um_per_pixel", 0.2)
        seed = _number(address, "seed", 0)
        if um_per_pixel <= 0 or seed < 0:
            raise NotCapableError(f"{address}: um_per_pixel must be positive, seed not negative")
        path = address.path
        if path:
            return PictureMicroscope(path, lambda: Slide.read(Path(path), um_per_pixel))
        return PictureMicroscope("made-up slide", lambda: Slide.made_up(int(seed), um_per_pixel))


def _number(address: ScopeAddress, option: str, default: float) -> float:
    text = address.options.get(option, str(default))
    try:
        return float(text)
    except ValueError as error:
        raise NotCapableError(f"option '{option}' of the driver 'picture' is '{text}', not a number") from error


__all__ = ["PictureDriver"]
