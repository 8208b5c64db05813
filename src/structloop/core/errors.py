"""The error tree.

Every error that structloop raises on purpose is a `StructloopError`, and each leaf is also the builtin that fits, so
that code which knows nothing of structloop still catches it sensibly. A message says what was wrong, in which file or
field, and what to do.

    StructloopError
    ├── SettingsError (ValueError)            a setting is unknown or has a bad value
    ├── PluginError (ImportError)             a plugin could not be loaded or breaks its protocol
    │   └── UnknownPluginError (LookupError)  no plugin of that name
    ├── ImageError (ValueError)               a file is not a usable image
    │   ├── ImageTruncatedError               ... it ends too early, or is empty
    │   ├── ImageFormatError                  ... its contents are not an image format that is read
    │   ├── ImageMissingError (FileNotFoundError)  a source image is not where it was imported from
    │   └── ImageChangedError                 a source image is not what was imported
    ├── LayoutError (ValueError)              a folder or file name does not fit the layout
    ├── ModelError
    │   ├── ModelNotFoundError (FileNotFoundError)
    │   ├── ModelExistsError (FileExistsError)    another model has that name
    │   ├── ModelFormatError (ValueError)     weights, card and architecture do not fit together
    │   ├── UnsupportedModalityError (ValueError)    the model does not serve that kind of image
    │   └── DownloadRefusedError (PermissionError)   a download would be needed and was not asked for
    ├── StoreError
    │   ├── NotFoundError (LookupError)       no such plate, drop, image, ...
    │   ├── SchemaVersionError (RuntimeError) the database is newer than the program
    │   └── StoreUnavailableError (ConnectionError)  the database cannot be reached or written
    ├── JobError
    │   ├── JobFailedError (RuntimeError)     the job ended with an error
    │   ├── JobCanceledError (RuntimeError)   the job was cancelled
    │   └── WorkerBusyError (BlockingIOError) another process runs the jobs of this home
    ├── LabelsError (ValueError)              a file of labels has a bad row
    ├── TargetingError (ValueError)           a session was asked for something impossible
    │   └── HolesError                        a table of holes is faulty
    ├── ScoreFileError (ValueError)           scores cannot be written to that file
    ├── SimulationError (ValueError)          a simulation was asked for something outside its range
    ├── AddressInUseError (OSError)           another program listens on the port already
    └── AddressRefusedError (PermissionError) the server would listen beyond this machine without users
"""


class StructloopError(Exception):
    """Base of all errors that structloop raises on purpose."""


class SettingsError(StructloopError, ValueError):
    """A setting is unknown or has a bad value."""


class PluginError(StructloopError, ImportError):
    """A plugin could not be loaded, or does not fulfil its protocol."""


class UnknownPluginError(PluginError, LookupError):
    """No plugin of that name is installed."""


class ImageError(StructloopError, ValueError):
    """A file is not a usable image."""


class ImageTruncatedError(ImageError):
    """An image file is empty or ends too early."""


class ImageFormatError(ImageError):
    """A file's contents are not an image format that structloop reads."""


class ImageMissingError(ImageError, FileNotFoundError):
    """A source image is no longer where it was imported from."""


class ImageChangedError(ImageError):
    """A source image no longer has the contents that were imported."""


class LayoutError(StructloopError, ValueError):
    """A folder or file name does not fit the layout it is read with."""


class ModelError(StructloopError):
    """Base of the errors of the model registry."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """No model of that name or at that path."""


class ModelExistsError(ModelError, FileExistsError):
    """Another model has that name already."""


class ModelFormatError(ModelError, ValueError):
    """Weights, card and architecture do not fit together, or a file is damaged."""


class UnsupportedModalityError(ModelError, ValueError):
    """A model is asked about images of a modality that its card does not list."""


class DownloadRefusedError(ModelError, PermissionError):
    """A download would be needed and was not asked for, or the hub cannot be reached."""


class StoreError(StructloopError):
    """Base of the errors of the database and of derived files."""


class NotFoundError(StoreError, LookupError):
    """No such plate, drop, image, job, ..."""


class SchemaVersionError(StoreError, RuntimeError):
    """The database was written by a newer structloop."""


class StoreUnavailableError(StoreError, ConnectionError):
    """The database or the folder for derived files cannot be reached or written."""


class JobError(StructloopError):
    """Base of the errors of durable jobs."""


class JobFailedError(JobError, RuntimeError):
    """A job ended with an error."""


class JobCanceledError(JobError, RuntimeError):
    """A job was cancelled before it finished."""


class WorkerBusyError(JobError, BlockingIOError):
    """Another process runs the jobs of this home."""


class LabelsError(StructloopError, ValueError):
    """A file of labels has a bad row."""


class TargetingError(StructloopError, ValueError):
    """Targeting was asked for something impossible: an unknown hole, a bad budget, a state of another policy."""


class HolesError(TargetingError):
    """A table of holes has a missing column, a bad value or the same hole twice."""


class ScoreFileError(StructloopError, ValueError):
    """Scores cannot be written to that file: its ending, or its folder."""


class SimulationError(StructloopError, ValueError):
    """A simulation was asked for something outside its range."""


class AddressInUseError(StructloopError, OSError):
    """Another program listens on the server's port already."""


class AddressRefusedError(StructloopError, PermissionError):
    """The server would listen beyond this machine although no users exist."""


__all__ = [
    "AddressInUseError",
    "AddressRefusedError",
    "DownloadRefusedError",
    "HolesError",
    "ImageChangedError",
    "ImageError",
    "ImageFormatError",
    "ImageMissingError",
    "ImageTruncatedError",
    "JobCanceledError",
    "JobError",
    "JobFailedError",
    "LabelsError",
    "LayoutError",
    "ModelError",
    "ModelExistsError",
    "ModelFormatError",
    "ModelNotFoundError",
    "NotFoundError",
    "PluginError",
    "SchemaVersionError",
    "ScoreFileError",
    "SettingsError",
    "SimulationError",
    "StoreError",
    "StoreUnavailableError",
    "StructloopError",
    "TargetingError",
    "UnknownPluginError",
    "UnsupportedModalityError",
    "WorkerBusyError",
]
