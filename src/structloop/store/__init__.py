"""The database and the derived files: everything that structloop remembers lives under the home folder."""

from structloop.store.database import Database
from structloop.store.files import DerivedFiles
from structloop.store.kept import KeptFiles

__all__ = ["Database", "DerivedFiles", "KeptFiles"]
