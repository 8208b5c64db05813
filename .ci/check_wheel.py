"""Looks into a wheel: the interface, the default model and the migrations must be inside, and nothing large besides."""

import json
import sys
import zipfile
from pathlib import Path

LARGEST_WEIGHTS_BYTES = 20_000_000
NEEDED = (
    "structloop/api/web/index.html",
    "structloop/py.typed",
    "structloop/store/migrations/versions/0001_first_tables.py",
)


def main(wheel: Path) -> int:
    """Prints what the wheel holds; returns 1 where something is missing or the weights are too large."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist()}
        cards = [name for name in sizes if name.startswith("structloop/models/weights/") and name.endswith("card.json")]
        models = {name: json.loads(archive.read(name)) for name in cards}
    wrong = [f"{name} is missing" for name in NEEDED if name not in sizes]
    if not any(name.startswith("structloop/api/web/assets/") and name.endswith(".js") for name in sizes):
        wrong.append("the interface's scripts are missing")
    if not models:
        wrong.append("no model is inside")
    for name, card in models.items():
        folder = name.removesuffix("card.json")
        wrong += [
            f"{folder}{file['path']} is missing or has another size"
            for file in card["files"]
            if sizes.get(folder + file["path"]) != file["size_bytes"]
        ]
    weights = sum(size for name, size in sizes.items() if name.startswith("structloop/models/weights/"))
    if weights > LARGEST_WEIGHTS_BYTES:
        wrong.append(f"weights take {weights} bytes, more than {LARGEST_WEIGHTS_BYTES}")
    wrong += [f"{name} does not belong into a wheel" for name in sizes if "node_modules" in name or "tests/" in name]
    print(f"{wheel.name}: {len(sizes)} files, {wheel.stat().st_size / 1e6:.1f} MB, weights {weights / 1e6:.1f} MB")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
