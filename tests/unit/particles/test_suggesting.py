"""Suggested micrographs show more of what a session holds than random ones."""

import numpy as np
import pytest

from structloop.models.pickers.calibration import fit_mixture, probabilities
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.preparing import prepare
from structloop.particles.classical import default_picker
from structloop.particles.picking import PickedMicrograph
from structloop.particles.suggesting import MicrographTraits, suggest, traits_of
from support.tiny_micrographs import DIAMETER_PX, tiny_micrograph

HOW = {"usual": {"noise": 0.9, "count": 20}, "noisy": {"noise": 2.2, "count": 20}, "sparse": {"noise": 0.9, "count": 3}}
SESSION = ["usual"] * 10 + ["noisy"] * 3 + ["sparse"] * 2


def seen(kind: str, seed: int, name: str) -> MicrographTraits:
    made = tiny_micrograph(seed, **HOW[kind])  # type: ignore[arg-type]
    working = prepare(made.pixels, diameter_px=DIAMETER_PX)
    xy, raw = find_peaks(default_picker("log").score_maps([working])[0], working)
    p = probabilities(fit_mixture(raw), raw)
    return traits_of(working, PickedMicrograph(name, 0, 0, made.pixels.shape, None, DIAMETER_PX, xy, p))


def test_three_suggestions_cover_more_conditions_than_three_random_micrographs() -> None:
    suggested, random = [], []
    for session in range(4):
        draw = np.random.default_rng(session)
        kinds = draw.permutation(SESSION).tolist()
        traits = [seen(kind, 100 * session + number, str(number)) for number, kind in enumerate(kinds)]
        suggested.append(len({kinds[int(each.micrograph)] for each in suggest(traits, count=3)}))
        some = [draw.choice(len(kinds), 3, replace=False) for _ in range(200)]
        random.append(np.mean([len({kinds[each] for each in chosen}) for chosen in some]))
    assert np.mean(suggested) > np.mean(random) + 0.5


def test_what_is_known_of_a_micrograph_is_kept_whole() -> None:
    known = seen("usual", 1, "1")
    back = MicrographTraits.from_json("1", known.to_json())
    assert back.information == pytest.approx(known.information, abs=1e-4)
    assert np.abs(back.traits - known.traits).max() < 1e-4
