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
    │   ├── ImageChangedError                 a source image is not what was imported
    │   └── MovieError                        a movie is not one that motion can be measured in
    │       ├── GainReferenceError            a gain reference does not fit, or is none
    │       └── DefectsError                  a list or map of defects does not fit, or is none
    ├── MotionError (ValueError)              motion cannot be measured as asked
    │   ├── NoSignalError                     a movie's frames have nothing in common
    │   └── MotionFileError                   what a program wrote of motion cannot be understood
    ├── LayoutError (ValueError)              a folder or file name does not fit the layout
    ├── ModelError
    │   ├── ModelNotFoundError (FileNotFoundError)
    │   ├── ModelExistsError (FileExistsError)    another model has that name
    │   ├── ModelFormatError (ValueError)     weights, card and architecture do not fit together
    │   ├── UnsupportedModalityError (ValueError)    the model does not serve that kind of image
    │   ├── DownloadRefusedError (PermissionError)   a download would be needed and was not asked for
    │   ├── TrainingError (ValueError)        a training cannot begin, or cannot keep its state
    │   └── TrainingStoppedError (RuntimeError)  a training was stopped; its state is kept
    ├── StoreError
    │   ├── NotFoundError (LookupError)       no such plate, drop, image, ...
    │   ├── SchemaVersionError (RuntimeError) the database is newer than the program
    │   └── StoreUnavailableError (ConnectionError)  the database cannot be reached or written
    ├── JobError
    │   ├── JobFailedError (RuntimeError)     the job ended with an error
    │   ├── JobCanceledError (RuntimeError)   the job was cancelled
    │   └── WorkerBusyError (BlockingIOError) another process runs the jobs of this home
    ├── LabelsError (ValueError)              a file of labels has a bad row
    ├── EvaluationSetError (ValueError)       models cannot be judged, or compared, on these items
    ├── PromotionError (ValueError)           a model cannot be given that role
    ├── CurationError (ValueError)            an answer to an item of the curators' queue cannot be taken
    │   └── CurationClosedError               ... because the item is closed, or was answered by that curator
    ├── DatasetError (ValueError)             a data set cannot be made, read or written as asked
    │   └── DataLeakError                     what is to be learnt from looks like an item of a test set
    ├── TargetingError (ValueError)           a session was asked for something impossible
    │   └── HolesError                        a table of holes is faulty
    ├── ScoreFileError (ValueError)           scores cannot be written to that file
    ├── PictureFileError (ValueError)         a picture cannot be written to that file
    ├── SimulationError (ValueError)          a simulation was asked for something outside its range
    ├── InstrumentError                       something went wrong at, or on the way to, an instrument
    │   ├── NotCapableError (ValueError)      the instrument lacks what was asked of it
    │   ├── InterlockError (ValueError)       refused before anything moved: outside the limits, or unsafe now
    │   ├── InstrumentConnectionError (ConnectionError)  it cannot be reached, or the connection was lost
    │   ├── InstrumentTimeoutError (TimeoutError)        it did not answer or finish in time
    │   ├── InstrumentFaultError (RuntimeError)          it says that it failed
    │   ├── StoppedByUserError (RuntimeError) somebody pressed STOP there
    │   ├── ProtocolError (ValueError)        it sent bytes that its protocol does not allow
    │   ├── ActionSkippedError (RuntimeError) an action was given up, and the session may go on
    │   └── SafeStopError (RuntimeError)      the session ended early, beam off and valves closed
    ├── JournalError (ValueError)             a session's journal is damaged, or of another plan
    ├── SessionFolderError (OSError)          a session's folder cannot be written: full, or not allowed
    ├── AcquisitionFileError (ValueError)     a file of an acquisition program cannot be understood
    ├── ParticlesError                        something about particles and their picks is wrong
    │   ├── CoordinateFileError (ValueError)  a coordinate file is faulty, or cannot hold what is asked
    │   │   └── CoordinateFileMissingError (FileNotFoundError)
    │   ├── MicrographNameError (LookupError) names of micrographs fit none, or more than one
    │   ├── EvaluationError (ValueError)      picks cannot be judged against that truth
    │   └── ParticleProjectError (ValueError) a project of particles was asked for something it cannot do
    ├── CtfError (ValueError)                 a CTF cannot be fitted, or a table of fits is faulty
    ├── IceError (ValueError)                 the thickness of ice cannot be told from what was given
    ├── JudgingError (ValueError)             exposures cannot be judged by what was given
    ├── ExposureError (ValueError)            an exposure cannot be processed as asked
    │   ├── ExposuresBusyError (BlockingIOError)  another process works on that folder of results
    │   └── NoSpaceError (OSError)            the disk of the results is full
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


class MovieError(ImageError):
    """A movie has no frames, frames of several sizes, nothing in them, or pixels that are no numbers."""


class GainReferenceError(MovieError):
    """A gain reference is of another size than the movie, or is no gain reference."""


class DefectsError(MovieError):
    """A list or map of a camera's defects does not fit the movie, or is none."""


class MotionError(StructloopError, ValueError):
    """Motion cannot be measured as asked: a parameter outside its range, or too little in the movie."""


class NoSignalError(MotionError):
    """A movie's frames have nothing in common by which they could be aligned: an empty hole, or too few electrons."""


class MotionFileError(MotionError):
    """A file in which a program wrote motion cannot be understood."""


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


class TrainingError(ModelError, ValueError):
    """A training cannot begin with these labels or settings, or its folder cannot keep what it needs."""


class TrainingStoppedError(ModelError, RuntimeError):
    """A training was stopped before its end; what it had learnt is kept where a folder for it was given."""


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


class CurationError(StructloopError, ValueError):
    """An answer to an item of the curators' queue cannot be taken."""


class CurationClosedError(CurationError):
    """The item is closed, or the curator has answered it already."""


class DatasetError(StructloopError, ValueError):
    """A data set cannot be made, read or written as asked."""


class DataLeakError(DatasetError):
    """What is to be learnt from is, or looks like, an item of a test set."""


class EvaluationSetError(StructloopError, ValueError):
    """Models cannot be judged, or compared, on these items."""


class PromotionError(StructloopError, ValueError):
    """A model cannot be given that role: the gate refuses, or there is nothing to go back to."""


class TargetingError(StructloopError, ValueError):
    """Targeting was asked for something impossible: an unknown hole, a bad budget, a state of another policy."""


class HolesError(TargetingError):
    """A table of holes has a missing column, a bad value or the same hole twice."""


class ScoreFileError(StructloopError, ValueError):
    """Scores cannot be written to that file: its ending, or its folder."""


class PictureFileError(StructloopError, ValueError):
    """A picture cannot be written to that file: its ending, or its folder."""


class SimulationError(StructloopError, ValueError):
    """A simulation was asked for something outside its range."""


class InstrumentError(StructloopError):
    """Something went wrong at, or on the way to, an instrument.

    Args:
        message: What was wrong and what to do.
        fault: What kind of fault it is; the runner's recovery depends on it.
        may_have_happened: Whether the instrument may have done what was asked although it did not say so. None where
            whoever raises it does not say: an exposure then counts as one that may have happened.
    """

    fault = "other"
    may_have_happened: bool | None = None

    def __init__(self, message: str, *, fault: str | None = None, may_have_happened: bool | None = None) -> None:
        super().__init__(message)
        if fault is not None:
            self.fault = fault
        if may_have_happened is not None:
            self.may_have_happened = may_have_happened


class NotCapableError(InstrumentError, ValueError):
    """The instrument lacks what was asked of it; nothing was done."""

    may_have_happened = False


class InterlockError(InstrumentError, ValueError):
    """Refused before anything moved: outside the limits, or unsafe as things are."""

    fault = "limit"
    may_have_happened = False


class InstrumentConnectionError(InstrumentError, ConnectionError):
    """An instrument cannot be reached, or the connection was lost."""

    fault = "connection-lost"


class InstrumentTimeoutError(InstrumentError, TimeoutError):
    """An instrument did not answer or finish in time."""

    fault = "timeout"


class InstrumentFaultError(InstrumentError, RuntimeError):
    """An instrument says that it failed."""


class StoppedByUserError(InstrumentError, RuntimeError):
    """Somebody pressed STOP at the instrument."""

    fault = "user-stop"


class ProtocolError(InstrumentError, ValueError):
    """An instrument sent bytes that its protocol does not allow."""

    fault = "connection-lost"


class ActionSkippedError(InstrumentError, RuntimeError):
    """An action was given up, for the reason told; the session may go on with what does not need it."""


class SafeStopError(InstrumentError, RuntimeError):
    """The session ended early; the beam is off and the valves are closed, as far as the instrument can."""


class JournalError(StructloopError, ValueError):
    """A session's journal is damaged, or belongs to another plan."""


class SessionFolderError(StructloopError, OSError):
    """The folder of a microscope session cannot be written: its disk is full, or it is not allowed."""


class AcquisitionFileError(StructloopError, ValueError):
    """A file of an acquisition program cannot be understood."""


class ParticlesError(StructloopError):
    """Base of the errors about particles and their picks."""


class CoordinateFileError(ParticlesError, ValueError):
    """A coordinate file is faulty, is of no format that is read, or cannot hold what it is asked to."""


class CoordinateFileMissingError(CoordinateFileError, FileNotFoundError):
    """There is no coordinate file at that path."""


class MicrographNameError(ParticlesError, LookupError):
    """A micrograph's name fits none of those given, or more than one."""


class EvaluationError(ParticlesError, ValueError):
    """Picks cannot be judged: a diameter of nothing, no micrograph in common, a size that is not known."""


class ParticleProjectError(ParticlesError, ValueError):
    """A project of particles was asked for something that it cannot do."""


class CtfError(StructloopError, ValueError):
    """The contrast transfer of a micrograph cannot be fitted as asked, or a table of fits is faulty."""


class IceError(StructloopError, ValueError):
    """The thickness of ice cannot be told from what was given."""


class JudgingError(StructloopError, ValueError):
    """Exposures cannot be judged by the indicators or limits that were given."""


class ExposureError(StructloopError, ValueError):
    """An exposure cannot be processed as asked: what must be known of it is not, or its results have no place."""


class ExposuresBusyError(ExposureError, BlockingIOError):
    """Another process works on that folder of results."""


class NoSpaceError(ExposureError, OSError):
    """The disk that results are written to is full."""


class AddressInUseError(StructloopError, OSError):
    """Another program listens on the server's port already."""


class AddressRefusedError(StructloopError, PermissionError):
    """The server would listen beyond this machine although no users exist."""


# Every class of this file is public, and listed in its docstring; a second list would only have to be kept the same.
__all__ = [name for name, thing in list(globals().items()) if isinstance(thing, type)]
