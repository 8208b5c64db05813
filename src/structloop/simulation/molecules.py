"""Made-up molecules of realistic sizes and shapes, and their projections.

Each molecule is a seeded arrangement of some hundred Gaussian blobs (about half a kilodalton each) inside an envelope
of ellipsoids, copied by its symmetry. None is copied from any structure: only sizes, masses and symmetries are those of
well-known specimens. Because a Gaussian projects to a Gaussian, a projection in any orientation at any sub-pixel place
is exact, and is one matrix product: sum_i w_i g(y - y_i) g(x - x_i).

Weights are excess potentials over vitreous ice: protein fills 1.21 cubic Angstrom per dalton and exceeds ice by about
2.7 V (mean inner potentials about 7 and 4.5 V, Zhang et al. 2020 and Yesibolati et al. 2020; somewhat less after
solvent penetrates the surface), nucleic acid by about 4.5 V, detergent by about 0.7 V.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError

FloatArray = NDArray[np.float32]
Array64 = NDArray[np.float64]

PROTEIN_OVER_ICE_VOLTS = 2.7
_NUCLEIC_OVER_PROTEIN = 1.7
_CUBIC_ANGSTROM_PER_DALTON = 1.21
_KILODALTON_PER_BLOB = 0.55


@dataclass(frozen=True)
class Molecule:
    """One molecule in its own frame, centre of mass at the origin.

    Attributes:
        name: As in the table `MOLECULES`.
        mass_kda: Without detergent.
        symmetry: Of the arrangement, as "C1", "D2", "O".
        diameter_angstrom: Largest extent, to where the density falls off.
        positions: Blob centres (n, 3), Angstrom.
        sigma: Blob widths (n,), standard deviations, Angstrom.
        weight: Integrals over the blobs' excess potentials (n,), volt cubic Angstrom.
    """

    name: str
    mass_kda: float
    symmetry: str
    diameter_angstrom: float
    positions: FloatArray
    sigma: FloatArray
    weight: FloatArray

    def placed(self, rotation: FloatArray, intact: float = 1.0, seed: int = 0) -> FloatArray:
        """Blob centres (n, 3) in the image's frame (x right, y down the rows, z along the beam), Angstrom.

        Args:
            rotation: Unit quaternion (w, x, y, z): turns the molecule's frame into the image's.
            intact: Below 1, domains come apart and the chain swells and flattens, as at the air-water interface.
            seed: Of how it comes apart.
        """
        at = np.asarray(self.positions @ rotation_matrix(rotation).T, np.float32)
        if intact >= 1:
            return at
        lost = np.float32(1 - max(intact, 0.0))
        generator = np.random.Generator(np.random.SFC64(seed))
        radius = np.float32(self.diameter_angstrom / 2)
        lumps = generator.standard_normal((5, 3)).astype(np.float32) * radius * np.float32(0.6)
        nearest = ((at[:, None, :] - lumps[None]) ** 2).sum(axis=2).argmin(axis=1)
        pushed = generator.standard_normal((5, 3)).astype(np.float32) * (lost * radius * np.float32(0.45))
        at = at + pushed[nearest] + generator.standard_normal(at.shape).astype(np.float32) * (lost * radius * 0.25)
        at[:, 2] *= 1 - np.float32(0.6) * lost
        return np.asarray(at - np.average(at, axis=0, weights=self.weight).astype(np.float32), np.float32)


def rotation_matrix(quaternion: FloatArray) -> FloatArray:
    """Rotation (3, 3) of a quaternion (w, x, y, z), which need not be normalised."""
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        np.float32,
    )


def random_rotations(count: int, seed: int) -> FloatArray:
    """Uniformly distributed unit quaternions (count, 4)."""
    drawn = np.random.Generator(np.random.SFC64(seed)).standard_normal((count, 4))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def project(
    molecule: Molecule,
    at: FloatArray,
    xs: FloatArray,
    ys: FloatArray,
    extra_sigma: float = 0.0,
) -> FloatArray:
    """Projected potential (len(ys), len(xs)) in volt Angstrom of a placed molecule.

    Args:
        molecule: Whose widths and weights.
        at: Blob centres from `Molecule.placed`.
        xs, ys: Coordinates of the pixel columns and rows relative to the molecule's centre, Angstrom.
        extra_sigma: Further blur, Angstrom (to keep coarse pixels free of aliases).
    """
    variance = molecule.sigma**2 + np.float32(extra_sigma) ** 2
    narrow = (-0.5 / variance)[:, None]
    across = np.exp(narrow * (xs[None, :] - at[:, 0:1]) ** 2)
    along = np.exp(narrow * (ys[None, :] - at[:, 1:2]) ** 2)
    across *= (molecule.weight / (2 * np.float32(np.pi) * variance))[:, None]
    return np.asarray(along.T @ across, np.float32)


# --- Symmetry -------------------------------------------------------------------------------------------------------


def _about(axis: tuple[float, float, float], turn: float) -> Array64:
    half = turn * np.pi
    unit = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    return rotation_matrix(np.array([np.cos(half), *(np.sin(half) * unit)], np.float32)).astype(np.float64)


def _closure(generators: list[Array64]) -> list[Array64]:
    group = [np.eye(3)]
    grown = True
    while grown:
        grown = False
        for element in list(group):
            for generator in generators:
                product = element @ generator
                if not any(np.allclose(product, known, atol=1e-4) for known in group):
                    group.append(product)
                    grown = True
    return group


@cache
def symmetry_matrices(symmetry: str) -> tuple[Array64, ...]:
    """Rotations of a point group: "C1", "C7", "D2", "O" or "I" (axis of Cn and Dn along z).

    Raises:
        SimulationError: No such group.
    """
    if symmetry == "O":
        return tuple(_closure([_about((0, 0, 1), 1 / 4), _about((1, 1, 1), 1 / 3)]))
    if symmetry == "I":
        golden = (1 + 5**0.5) / 2
        return tuple(_closure([_about((0, 1, golden), 1 / 5), _about((1, 1, 1), 1 / 3)]))
    if symmetry[:1] in ("C", "D") and symmetry[1:].isdigit() and int(symmetry[1:]) > 0:
        generators = [_about((0, 0, 1), 1 / int(symmetry[1:]))]
        if symmetry[0] == "D":
            generators.append(_about((1, 0, 0), 1 / 2))
        return tuple(_closure(generators))
    raise SimulationError(f"unknown symmetry {symmetry!r}; use Cn, Dn, O or I")


# --- Building -------------------------------------------------------------------------------------------------------

_Ellipsoids = list[tuple[tuple[float, float, float], tuple[float, float, float]]]


def _inside(points: Array64, ellipsoids: _Ellipsoids) -> NDArray[np.bool_]:
    inside = np.zeros(len(points), np.bool_)
    for centre, radii in ellipsoids:
        inside |= (((points - np.array(centre)) / np.array(radii)) ** 2).sum(axis=1) <= 1
    return inside


def _fill(
    ellipsoids: _Ellipsoids, count: int, generator: np.random.Generator, keep: Callable[[Array64], NDArray[np.bool_]]
) -> Array64:
    """About `count` points spread evenly (a jittered lattice) over a union of ellipsoids."""
    low = np.min([np.array(c) - np.array(r) for c, r in ellipsoids], axis=0)
    high = np.max([np.array(c) + np.array(r) for c, r in ellipsoids], axis=0)
    probe = generator.uniform(low, high, (40000, 3))
    share = float((_inside(probe, ellipsoids) & keep(probe)).mean())
    spacing = (np.prod(high - low) * share / count) ** (1 / 3)
    axes = [np.arange(a + generator.uniform(0, spacing), b, spacing) for a, b in zip(low, high, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    lattice = lattice + generator.normal(0, 0.28 * spacing, lattice.shape)
    return np.asarray(lattice[_inside(lattice, ellipsoids) & keep(lattice)], np.float64)


def _anywhere(points: Array64) -> NDArray[np.bool_]:
    return np.ones(len(points), np.bool_)


def _build(
    name: str,
    seed: int,
    mass_kda: float,
    symmetry: str,
    unit: _Ellipsoids,
    *,
    nucleic: _Ellipsoids | None = None,
    belt: _Ellipsoids | None = None,
    kilodalton_per_blob: float = _KILODALTON_PER_BLOB,
) -> Molecule:
    """A molecule from the envelope of one asymmetric unit."""
    generator = np.random.Generator(np.random.SFC64(seed))
    group = symmetry_matrices(symmetry)
    count = max(8, round(mass_kda / kilodalton_per_blob / len(group)))
    points = _fill(unit, count, generator, _anywhere)
    weight = generator.lognormal(0, 0.35, len(points))
    if nucleic is not None:
        weight = weight * np.where(_inside(points, nucleic), _NUCLEIC_OVER_PROTEIN, 1.0)
    positions = np.concatenate([points @ matrix.T for matrix in group])
    weight = np.tile(weight, len(group))
    total = mass_kda * 1e3 * _CUBIC_ANGSTROM_PER_DALTON * PROTEIN_OVER_ICE_VOLTS
    weight = weight * (total / weight.sum() * (1.35 if nucleic is not None else 1.0))
    blob = (mass_kda * 1e3 * _CUBIC_ANGSTROM_PER_DALTON / len(positions)) ** (1 / 3)
    sigma = np.full(len(positions), max(2.6, 0.4 * blob))
    if belt is not None:
        around = _fill(belt, 220, generator, lambda p: ~_inside(p, unit))
        positions = np.concatenate([positions, around])
        volume = 4 / 3 * np.pi * np.prod(belt[0][1]) * 0.7
        weight = np.concatenate([weight, np.full(len(around), 0.7 * volume / len(around))])
        sigma = np.concatenate([sigma, np.full(len(around), 6.0)])
    positions = positions - np.average(positions, axis=0, weights=weight)
    return Molecule(
        name=name,
        mass_kda=mass_kda,
        symmetry=symmetry,
        diameter_angstrom=_extent(positions),
        positions=positions.astype(np.float32),
        sigma=sigma.astype(np.float32),
        weight=weight.astype(np.float32),
    )


def _extent(positions: Array64) -> float:
    """Largest width over directions, with the blobs' own size (1 per cent of stray blobs aside)."""
    directions = np.random.Generator(np.random.SFC64(0)).standard_normal((400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = positions @ directions.T
    width = np.quantile(along, 0.995, axis=0) - np.quantile(along, 0.005, axis=0)
    return float(round(width.max() + 8.0, 1))


def _globular() -> Molecule:
    unit: _Ellipsoids = [((0, 0, 0), (26, 20, 22)), ((26, 10, 6), (17, 19, 15)), ((-18, 17, -10), (18, 15, 20))]
    return _build("globular-100", 11, 100, "C1", unit)


def _tetramer() -> Molecule:
    unit: _Ellipsoids = [
        ((27, 17, 17), (25, 20, 24)),
        ((55, 22, 10), (22, 18, 17)),
        ((44, 42, 6), (19, 18, 19)),
        ((73, 8, 16), (15, 14, 16)),
    ]
    return _build("tetramer-465", 12, 465, "D2", unit)


def _barrel() -> Molecule:
    unit: _Ellipsoids = [((38, 0, 20), (17, 17, 20)), ((36, 6, 55), (19, 17, 18)), ((24, 10, 60), (10, 9, 9))]
    return _build("barrel-700", 13, 700, "D7", unit)


def _shell() -> Molecule:
    unit: _Ellipsoids = [((50, 14, 8), (12, 18, 16)), ((48, 8, 24), (12, 13, 12))]
    return _build("shell-480", 14, 480, "O", unit)


def _ribosome() -> Molecule:
    unit: _Ellipsoids = [
        ((0, 0, 30), (102, 92, 62)),
        ((60, 45, 65), (40, 30, 35)),
        ((-70, 40, 55), (35, 28, 40)),
        ((0, -70, 60), (30, 35, 30)),
        ((0, 0, -58), (88, 52, 40)),
        ((-62, 20, -70), (40, 40, 32)),
        ((78, -25, -60), (34, 28, 26)),
    ]
    core: _Ellipsoids = [((0, 0, 25), (75, 65, 48)), ((0, 0, -55), (62, 36, 28))]
    return _build("ribosome-2500", 15, 2500, "C1", unit, nucleic=core, kilodalton_per_blob=1.6)


def _membrane() -> Molecule:
    unit: _Ellipsoids = [((16, 8, 4), (14, 13, 26)), ((30, 14, -42), (24, 20, 18)), ((14, 16, -24), (12, 12, 14))]
    belt: _Ellipsoids = [((0, 0, 8), (56, 56, 19))]
    return _build("membrane-300", 16, 300, "C4", unit, belt=belt)


def _rod() -> Molecule:
    unit: _Ellipsoids = [
        ((-112, 6, 0), (34, 20, 19)),
        ((-62, -4, 4), (32, 17, 18)),
        ((-10, 4, -2), (32, 19, 17)),
        ((44, -3, 3), (34, 16, 17)),
        ((100, 5, 0), (38, 24, 21)),
    ]
    return _build("rod-220", 17, 220, "C1", unit)


def _ring() -> Molecule:
    unit: _Ellipsoids = [((54, 0, 0), (20, 18, 26)), ((66, 8, 16), (13, 12, 13))]
    return _build("ring-420", 18, 420, "C12", unit)


def _capsid() -> Molecule:
    unit: _Ellipsoids = [((96, 20, 34), (17, 32, 36)), ((110, 5, 55), (13, 12, 12)), ((70, 62, 48), (17, 24, 24))]
    return _build("capsid-3700", 19, 3700, "I", unit, kilodalton_per_blob=2.2)


_MADE_UP = "made-up-"
# Distance from the middle, in radii of a part, at which copies just touch.
_TOUCHING = {
    symmetry: 1 / np.sin(np.pi / max(2, int(symmetry[1:]))) if symmetry[0] in "CD" else 2.2
    for symmetry in ("C1", "C2", "C3", "C4", "C5", "C7", "C12", "D2", "D3", "D4", "D7", "O")
}
_SYMMETRIES = ("C1", "C1", "C1", "C2", "C3", "C4", "C5", "C7", "C12", "D2", "D2", "D3", "D4", "D7", "O")


def _made_up(seed: int) -> Molecule:
    """A molecule of random shape: a chain of one to six ellipsoids, copied by a random symmetry; 60 kDa and more."""
    draw = np.random.Generator(np.random.SFC64([seed, 0x3013]))
    symmetry = str(draw.choice(_SYMMETRIES))
    copies = len(symmetry_matrices(symmetry))
    total_kda = float(np.exp(draw.uniform(np.log(60 + 8 * copies), np.log(2500))))
    unit_volume = total_kda / copies * 1e3 * _CUBIC_ANGSTROM_PER_DALTON
    parts = int(draw.integers(1, 7 if copies == 1 else 4))
    size = (unit_volume / parts * 3 / (4 * np.pi)) ** (1 / 3)
    # Copies meet in the middle, or touch around a hole.
    reach = size * (_TOUCHING[symmetry] * draw.uniform(0.6, 1.05) if copies > 1 else 0.0)
    at = np.array([reach, 0.0, reach * draw.uniform(-0.8, 0.8)])
    unit: _Ellipsoids = []
    straight = draw.standard_normal(3)
    for _ in range(parts):
        radii = size * 1.08 * np.exp(draw.normal(0, 0.22, 3))
        unit.append(((float(at[0]), float(at[1]), float(at[2])), (float(radii[0]), float(radii[1]), float(radii[2]))))
        turn = draw.standard_normal(3) + straight * draw.choice([0.0, 1.5])
        at = at + turn / np.linalg.norm(turn) * radii.mean() * draw.uniform(1.0, 1.5)
    probe = draw.uniform(-1, 1, (20000, 3)) * (max(max(r) for _, r in unit) + max(max(map(abs, c)) for c, _ in unit))
    span = 2 * float(np.abs(probe).max())
    volume = float(_inside(probe, unit).mean()) * span**3
    mass = max(40.0, volume * copies / _CUBIC_ANGSTROM_PER_DALTON / 1e3)
    return _build(f"{_MADE_UP}{seed}", seed, mass, symmetry, unit, kilodalton_per_blob=max(0.55, mass / 1500))


_BUILDERS: dict[str, Callable[[], Molecule]] = {
    "globular-100": _globular,
    "tetramer-465": _tetramer,
    "barrel-700": _barrel,
    "shell-480": _shell,
    "ribosome-2500": _ribosome,
    "membrane-300": _membrane,
    "rod-220": _rod,
    "ring-420": _ring,
    "capsid-3700": _capsid,
}

MOLECULES: tuple[str, ...] = tuple(_BUILDERS)


@cache
def molecule(name: str) -> Molecule:
    """A molecule by its name, built once; ``made-up-`` and a whole number gives one of random shape.

    Raises:
        SimulationError: There is none of that name.
    """
    number = name.removeprefix(_MADE_UP)
    if number != name and number.isdecimal():
        return _made_up(int(number))
    if name not in _BUILDERS:
        raise SimulationError(f"unknown molecule {name!r}; there are {', '.join(MOLECULES)}")
    return _BUILDERS[name]()


def diameter_angstrom(name: str) -> float:
    """Largest extent of a molecule, Angstrom."""
    return molecule(name).diameter_angstrom


__all__ = [
    "MOLECULES",
    "PROTEIN_OVER_ICE_VOLTS",
    "Molecule",
    "diameter_angstrom",
    "molecule",
    "project",
    "random_rotations",
    "rotation_matrix",
    "symmetry_matrices",
]
