"""Where picks are not wanted: streaked borders, support film, lumps of ice, gold and protein, crystalline ice."""

from structloop.particles.masking.masks import REASONS, MicrographMask, find_mask

__all__ = ["REASONS", "MicrographMask", "find_mask"]
