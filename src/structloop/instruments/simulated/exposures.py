"""Everything that was ever exposed, noted when the shutter opens; only the truth door reads it."""

import json
from pathlib import Path

from structloop.instruments.simulated.captures import Capture


class ExposureLog:
    """All exposures of a microscope, in order.

    Args:
        path: File that each is appended to before it happens, one JSON object a line; None keeps them in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self.captures: list[Capture] = []
        self._by_image: dict[str, Capture] = {}
        self._path = path

    def add(self, capture: Capture) -> None:
        """Note one."""
        self.captures.append(capture)
        if capture.image_id is not None:
            self._by_image[capture.image_id] = capture
        if self._path is None:
            return
        line = {
            "at": capture.at.isoformat(),
            "purpose": capture.purpose,
            "preset": capture.preset,
            "image_id": capture.image_id,
            "slot": capture.slot,
            "load": capture.load,
            "x_um": round(capture.x_um, 4),
            "y_um": round(capture.y_um, 4),
            "dose_e_per_angstrom2": capture.dose_e_per_angstrom2,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def of_image(self, image_id: str) -> Capture | None:
        """The exposure that an image came of."""
        return self._by_image.get(image_id)


__all__ = ["ExposureLog"]
