"""The browser judges by itself while a limit is dragged: both sides are held to the same cases.

STRUCTLOOP_TEST_UPDATE_CASES=1 writes the cases anew; `web/src/logic/judging.test.ts` reads them.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from structloop.exposures.judging import THINNEST, judge_exposure, limits_to_json
from structloop.micrographs.judging import Limits
from structloop.store.tables import ProcessedExposure

CASES = Path(__file__).parents[3] / "web/src/logic/judging.cases.json"
LIMITS = {
    "defaults": Limits(),
    "strict": Limits(
        most_total_motion_angstrom=20.0,
        defocus_um=(0.8, 2.2),
        most_ctf_resolution_angstrom=4.0,
        least_ctf_confidence=0.8,
        ice_nm=(20.0, 60.0),
        most_tilt_deg=5.0,
        particles_per_um2=(40.0, 200.0),
        most_particle_overlap=0.3,
        most_empty_fraction=0.5,
    ),
    "none": Limits(
        None, None, (None, None), None, None, None, (None, None), True, True, None, (None, None), None, None, True
    ),
}
_SPREADS = {
    "total_motion_angstrom": (2, 60),
    "early_motion_angstrom": (1, 24),
    "astigmatism_um": (0.0, 0.3),
    "ctf_resolution_angstrom": (3, 7),
    "ctf_confidence": (0.2, 1),
    "ice_nm": (5, 140),
    "tilt_deg": (0, 8),
    "particles_per_um2": (20, 260),
    "particle_overlap": (0, 0.5),
    "empty_fraction": (0, 0.8),
    "poor_condition": (0, 1),
}


def drawn() -> list[dict[str, Any]]:
    """Exposures at random, many of them near their limits; some values are not known."""
    rng = np.random.default_rng(11)
    found = []
    for number in range(150):
        # Few indicators at a time, so that most cases turn on one of them.
        known = {name for name in _SPREADS if rng.random() < (0.9 if number % 10 == 0 else 0.15)}
        numbers: dict[str, Any] = {
            name: round(float(rng.uniform(*spread)), 4) if name in known else None for name, spread in _SPREADS.items()
        }
        numbers["defocus_um"] = round(float(rng.uniform(0.2, 4.4)), 4) if rng.random() < 0.3 else None
        if numbers["defocus_um"] is None:
            numbers["astigmatism_um"] = None
        elif numbers["astigmatism_um"] is None:
            numbers["astigmatism_um"] = 0.0
        case = {
            "numbers": numbers,
            "crystalline_ice": bool(rng.random() < 0.1),
            "film_poses": bool(rng.random() < 0.1),
            "least_ice": bool(rng.random() < 0.3),
            "limits": ["defaults", "strict", "strict", "none"][number % 4],
        }
        judged(case)
        found.append(case)
    return found


def judged(case: dict[str, Any]) -> None:
    """Adds what the server says."""
    numbers = case["numbers"]
    defocus, astigmatism = numbers["defocus_um"], numbers["astigmatism_um"]
    row = ProcessedExposure(
        state="done",
        rings_seen=True,
        defocus_u_um=None if defocus is None else defocus + astigmatism / 2,
        defocus_v_um=None if defocus is None else defocus - astigmatism / 2,
        crystalline_ice=case["crystalline_ice"],
        film_poses=case["film_poses"],
        ice_method=f"against the {THINNEST}" if case["least_ice"] else "against vacuum",
        **{name: value for name, value in numbers.items() if name not in ("defocus_um", "astigmatism_um")},
    )
    judgement = judge_exposure(row, LIMITS[case["limits"]])
    assert judgement is not None
    case["problematic"] = round(judgement.problematic, 6)
    case["why"] = judgement.reasons[0].indicator if judgement.reasons else None


def test_the_cases_that_the_browser_is_held_to_are_what_the_server_says() -> None:
    if os.environ.get("STRUCTLOOP_TEST_UPDATE_CASES") == "1":
        limits = {name: limits_to_json(each) for name, each in LIMITS.items()}
        CASES.write_text(json.dumps({"limits": limits, "cases": drawn()}, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(CASES.read_text(encoding="utf-8"))
    assert kept["limits"] == json.loads(json.dumps({name: limits_to_json(each) for name, each in LIMITS.items()}))
    for case in kept["cases"]:
        again = dict(case)
        judged(again)
        assert again == case
    # Whoever adds a limit adds it to what the browser judges by.
    assert all(set(each) == set(asdict(Limits())) for each in kept["limits"].values())
    assert {case["why"] for case in kept["cases"]} >= {"ice_nm", "poor_condition", "tilt_deg", "defocus_um", None}
