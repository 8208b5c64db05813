"""Averages of LoRA adapters on one base.

An adapter's effect is the product ``s B A``. The mean of the factors, ``mean(B) mean(A)``, is not the mean of the
products: it mixes every B with every A, and changes when one lab's factors are rotated against each other, which leaves
what its adapter does as it was. So the products are averaged, exactly: the factors of all adapters, weighted, are laid
side by side (``[w1 s1 B1, w2 s2 B2] [A1; A2]``), whose rank is the sum of theirs. Where a smaller rank is wanted, the
singular values that matter least are dropped (Eckart & Young, Psychometrika 1, 1936) and the loss is told.

Heads are averaged as they are. That is exact for one backbone, and for adapters near each other the usual practice
(Wortsman et al., "Model soups", ICML 2022); whether the average is any good is for an evaluation to say.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from structloop.core.errors import ModelFormatError
from structloop.models.adapters.lora import LoraAdapter

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AveragedAdapter:
    """The average of adapters, with a scaling of one.

    Attributes:
        weights: `<module>.lora_A`, `<module>.lora_B`, and the head's parameters.
        rank: Of every module.
        lost: Relative Frobenius norm of what a smaller rank dropped, the worst module's; 0 where nothing was.
    """

    weights: dict[str, "Tensor"]
    rank: int
    lost: float


def average_adapters(
    adapters: Sequence[LoraAdapter], weights: Sequence[float], *, rank: int | None = None
) -> AveragedAdapter:
    """The weighted mean of what adapters do.

    Args:
        adapters: On the same base, at least one.
        weights: One each, not negative, not all zero; brought to a sum of one.
        rank: Of the result; None keeps the sum of all ranks, which is exact.

    Raises:
        ModelFormatError: they do not cover the same modules and heads.
        ValueError: weights or a rank that cannot be.
    """
    import torch

    if not adapters or len(weights) != len(adapters) or min(weights) < 0 or not math.fsum(weights) > 0:
        raise ValueError(f"{len(adapters)} adapters cannot be averaged with weights {list(weights)}")
    if rank is not None and rank < 1:
        raise ValueError("the rank of an average must be at least 1")
    shares = [weight / math.fsum(weights) for weight in weights]
    first = adapters[0]
    for other in adapters[1:]:
        if set(other.down) != set(first.down) or set(other.saved) != set(first.saved):
            raise ModelFormatError(f"{other.folder} and {first.folder} adapt different layers and cannot be averaged")
    averaged: dict[str, Tensor] = {}
    lost, kept = 0.0, 0
    for module in sorted(first.down):
        down = torch.cat([adapter.down[module].double() for adapter in adapters])
        up = torch.cat(
            [
                adapter.up[module].double() * (adapter.scaling * share)
                for adapter, share in zip(adapters, shares, strict=True)
            ],
            dim=1,
        )
        if rank is not None and rank < len(down):
            down, up, dropped = _reduced(down, up, rank)
            lost = max(lost, dropped)
        averaged[f"{module}.lora_A"], averaged[f"{module}.lora_B"] = down.float(), up.float()
        kept = len(down)
    for name in sorted(first.saved):
        parts = [adapter.saved[name].double() * share for adapter, share in zip(adapters, shares, strict=True)]
        averaged[name] = torch.stack(parts).sum(dim=0).float()
    return AveragedAdapter(averaged, kept, lost)


def _reduced(down: "Tensor", up: "Tensor", rank: int) -> tuple["Tensor", "Tensor", float]:
    """The best factors of `rank` for ``up @ down``, and the relative norm of what they miss."""
    import torch

    # The singular values of a product of thin factors are those of a small matrix between two orthonormal ones.
    left, upper = torch.linalg.qr(up)
    right, lower = torch.linalg.qr(down.T)
    inner_left, values, inner_right = torch.linalg.svd(upper @ lower.T)
    whole = float(values.square().sum())
    missed = math.sqrt(float(values[rank:].square().sum()) / whole) if whole > 0 else 0.0
    root = values[:rank].sqrt()
    return (root[:, None] * inner_right[:rank]) @ right.T, left @ inner_left[:, :rank] * root, missed


__all__ = ["AveragedAdapter", "average_adapters"]
