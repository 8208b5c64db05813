"""Labels from elsewhere: CSV files, reports of RockMaker, folders of labelled images, matched to known drops."""

from structloop.crystals.labels.claims import LabelClaim
from structloop.crystals.labels.reading import read_claims
from structloop.crystals.labels.recording import LabelImportReport, UnmatchedLabel, import_labels

__all__ = ["LabelClaim", "LabelImportReport", "UnmatchedLabel", "import_labels", "read_claims"]
