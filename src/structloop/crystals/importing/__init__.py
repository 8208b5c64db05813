"""Importing folders of drop images: look through them, check every file, record what is new. Sources are only read."""

from structloop.crystals.importing.previewing import ImportPreview, PreviewInspection, PreviewPlate, preview_import
from structloop.crystals.importing.report import ImportedPlate, ImportReport
from structloop.crystals.importing.running import import_folder
from structloop.crystals.importing.watching import watch_folder

__all__ = [
    "ImportPreview",
    "ImportReport",
    "ImportedPlate",
    "PreviewInspection",
    "PreviewPlate",
    "import_folder",
    "preview_import",
    "watch_folder",
]
