"""DINOv2's layer names in the Hugging Face library: those up to version 4, and those from version 5 on.

Version 5 renamed the attention's linear layers. Weights saved under the names of the other version load there without
an error and with most of their layers missing, so nothing in structloop relies on the library to match names: weights
are held under the names of version 5 (`canonical_name`), and given to the library under those that its network has.
"""

import re
from collections.abc import Iterable

_OLD_TO_NEW = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
)
_OLD = [(re.compile(rf"(?<=\.){re.escape(old)}(?=\.|$)"), new) for old, new in _OLD_TO_NEW]
_NEW = [(re.compile(rf"(?<=\.){re.escape(new)}(?=\.|$)"), old) for old, new in _OLD_TO_NEW]


def canonical_name(name: str) -> str:
    """`name` of a module or parameter, as version 5 calls it; names that did not change come back as they are."""
    for pattern, new in _OLD:
        name = pattern.sub(new, name)
    return name


def former_name(name: str) -> str:
    """`name` as version 4 calls it."""
    for pattern, old in _NEW:
        name = pattern.sub(old, name)
    return name


def uses_former_names(names: Iterable[str]) -> bool:
    """Whether `names`, of the parameters of one network, are those of version 4."""
    return any(canonical_name(name) != name for name in names)


__all__ = ["canonical_name", "former_name", "uses_former_names"]
