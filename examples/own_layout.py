"""An imager that structloop does not know, described by a pattern: what an import would make of its files.

python examples/own_layout.py
"""

import tempfile
from pathlib import Path

from PIL import Image

from structloop.core.settings import LayoutPattern, Settings
from structloop.crystals.importing import preview_import
from structloop.schema.images import Modality

PATTERN = LayoutPattern(
    name="our-imager",
    pattern="{barcode}/run{inspection}/{well}-{drop}_{modality}.png",
    modalities={"WL": Modality.VISIBLE, "FL": Modality.UV},
)


def main() -> None:
    """Writes a few files as the imager would, and shows the plate that they make."""
    with tempfile.TemporaryDirectory() as temporary:
        for well in ("A1", "A2", "B1"):
            for light in ("WL", "FL"):
                path = Path(temporary, "P0042", "run3", f"{well}-1_{light}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (64, 48), 128).save(path)

        settings = Settings(home=Path(temporary, "home"), crystal_layouts=[PATTERN])
        preview = preview_import(Path(temporary), settings=settings)
        print(f"layout {preview.layout}: {preview.why}")
        for plate in preview.plates:
            numbers = [inspection.number for inspection in plate.inspections]
            print(f"plate {plate.barcode}: {plate.image_count} images, inspections {numbers}")


if __name__ == "__main__":
    main()
