"""Where the files lie that coordinate files name: paths that hold from a folder which is not said."""

from pathlib import Path


def find_file(name: str, near: Path) -> Path | None:
    """The file that a name leads to: from the current folder, or from a folder that holds `near`, the nearest first.

    RELION's names hold from its project folder, which lies somewhere above all its files.
    """
    for folder in (Path(), *near.absolute().parents):
        candidate = folder / name
        try:
            if candidate.is_file():
                return candidate
        except (OSError, ValueError):
            # Too long for a path, or with bytes that no path has: there is no such file.
            return None
    return None


__all__ = ["find_file"]
