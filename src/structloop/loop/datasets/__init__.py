"""Data sets: immutable versions of labelled images, their splits, and their exchange with other programs."""

from structloop.loop.datasets.building import BuildSettings, PlannedDataset, build_dataset, plan_dataset
from structloop.loop.datasets.exporting import ExportLayout, ExportReport, export_rows
from structloop.loop.datasets.importing import ImportedSet, import_images
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.datasets.labels import ItemLabel, settled_labels
from structloop.loop.datasets.leakage import Leak, find_leaks
from structloop.loop.datasets.manifest import ManifestRow, read_manifest, write_manifest
from structloop.loop.datasets.recording import record_imported
from structloop.loop.datasets.splitting import GroupBy, draw_groups, split_groups
from structloop.loop.datasets.versions import (
    DatasetDiff,
    DatasetInfo,
    FrozenTestSetInfo,
    compare,
    dataset_rows,
    find_dataset,
    get_dataset,
    labelled_items,
    list_datasets,
    list_test_sets,
    load_split,
    newest_dataset,
    summarise,
)

__all__ = [
    "BuildSettings",
    "DatasetDiff",
    "DatasetInfo",
    "ExportLayout",
    "ExportReport",
    "FrozenTestSetInfo",
    "GroupBy",
    "ImportedSet",
    "ItemLabel",
    "LabelledItem",
    "Leak",
    "ManifestRow",
    "PlannedDataset",
    "Split",
    "build_dataset",
    "compare",
    "dataset_rows",
    "draw_groups",
    "export_rows",
    "find_dataset",
    "find_leaks",
    "get_dataset",
    "import_images",
    "labelled_items",
    "list_datasets",
    "list_test_sets",
    "load_split",
    "newest_dataset",
    "plan_dataset",
    "read_manifest",
    "record_imported",
    "settled_labels",
    "split_groups",
    "summarise",
    "write_manifest",
]
