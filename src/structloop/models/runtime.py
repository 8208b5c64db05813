"""How networks are run: which engine, in which arithmetic, on how many threads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Engine = Literal["auto", "openvino", "torch"]
Precision = Literal["auto", "fp32", "bf16", "int8"]


@dataclass(frozen=True)
class Runtime:
    """What the caller wants of the serving engine.

    Attributes:
        engine: `auto` takes CUDA through torch where present, else OpenVINO where installed, else torch.
        precision: `auto` takes bf16 where the processor (or GPU) has instructions for it, else fp32.
        threads: processor threads to use; None for all.
        cache_folder: where compiled networks are kept; None keeps none.
    """

    engine: Engine = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    cache_folder: Path | None = None
