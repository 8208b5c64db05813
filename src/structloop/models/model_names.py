"""Names of models, and what they say of a published checkpoint."""

from structloop.core.errors import ModelFormatError
from structloop.schema.images import Modality
from structloop.schema.models import MODEL_NAME_PATTERN, is_model_name


def model_name_from(text: str) -> str:
    """A valid model name made of the last part of a path or hub id."""
    last = text.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    made = "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "-" for c in last).strip("-._")[:64]
    return checked_name(made)


def modalities_in_name(text: str) -> tuple[Modality, ...]:
    """What a published checkpoint is for, where its name ends in ``vis`` or ``uv`` as the AXIS models' do.

    Raises:
        ModelFormatError: the name does not say it.
    """
    ending = model_name_from(text).replace("_", "-").rsplit("-", 1)[-1]
    known = {"vis": Modality.VISIBLE, "visible": Modality.VISIBLE, "foundation": Modality.VISIBLE, "uv": Modality.UV}
    if ending not in known:
        raise ModelFormatError(f"'{text}' does not say which images it is for: give --modality visible, uv, ...")
    return (known[ending],)


def checked_name(name: str) -> str:
    """`name`, which may name a model.

    Raises:
        ModelFormatError: it may not.
    """
    if not is_model_name(name):
        raise ModelFormatError(f"'{name}' cannot name a model: it must match {MODEL_NAME_PATTERN} without '..'")
    return name


__all__ = ["checked_name", "modalities_in_name", "model_name_from"]
