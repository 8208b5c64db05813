"""Crystals as convex polyhedra: intersections of half-spaces n.x <= d with the faces of a few lattices."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from structloop.simulation.drops.contents import Habit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Polyhedron:
    """Faces of a convex body, seen along -z, scaled so that its outline's largest width is 1.

    Attributes:
        normals: (k, 3) outward unit normals.
        offsets: (k,) distances of the faces from the origin.
        half_x: Half of its extent in x.
        half_y: Half of its extent in y.
        thickness: Extent in z.
    """

    normals: FloatArray
    offsets: FloatArray
    half_x: float
    half_y: float
    thickness: float


@lru_cache(maxsize=512)
def polyhedron(habit: Habit, shape_seed: int) -> Polyhedron:
    """The body of a crystal of this habit; half of them lie on a face, the others are turned at random."""
    rng = np.random.default_rng(shape_seed)
    normals, offsets = _faces(rng, habit)
    lies = bool(rng.random() < (0.85 if habit is Habit.PLATE else 0.55))
    rotation = _random_rotation(rng)
    if lies:
        face = 0 if habit is Habit.PLATE else int(rng.integers(len(normals)))
        rotation = _tilt(rng, 0.12) @ _rotation_to_down(normals[face])
    normals = normals @ rotation.T
    vertices = _vertices(normals, offsets)
    if len(vertices) < 4:
        return polyhedron(Habit.BLOCK, shape_seed + 1)
    centre = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    offsets = offsets - normals @ centre
    vertices = vertices - centre
    radius = float(np.hypot(vertices[:, 0], vertices[:, 1]).max())
    vertices, offsets = vertices / (2 * radius), offsets / (2 * radius)
    extent = np.abs(vertices).max(axis=0)
    return Polyhedron(normals, offsets, float(extent[0]), float(extent[1]), float(2 * extent[2]))


def _faces(rng: np.random.Generator, habit: Habit) -> tuple[FloatArray, FloatArray]:
    spread = rng.uniform(0.02, 0.3)
    if habit is Habit.OCTAHEDRON:
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        normals, offsets = signs, np.ones(8)
        if rng.random() < 0.4:
            axes = np.concatenate([np.eye(3), -np.eye(3)])
            normals, offsets = np.concatenate([signs, axes]), np.concatenate([offsets, np.full(6, 1.25)])
    elif habit is Habit.TETRAHEDRON:
        normals = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)
        offsets = np.ones(4)
        if rng.random() < 0.5:
            normals, offsets = np.concatenate([normals, -normals]), np.concatenate([offsets, np.full(4, 1.8)])
    elif habit in (Habit.HEXAGONAL, Habit.BIPYRAMID):
        normals, offsets = _around_axis(rng, habit)
    elif habit is Habit.LATTICE:
        normals, offsets = _lattice_faces(rng)
    else:
        normals, offsets = _prism(rng, habit)
    offsets = offsets * np.exp(rng.normal(0, spread, len(offsets)))
    lengths = np.linalg.norm(normals, axis=1)
    return normals / lengths[:, None], offsets / np.where(habit is Habit.PLATE, 1.0, lengths)


def _prism(rng: np.random.Generator, habit: Habit) -> tuple[FloatArray, FloatArray]:
    """Three pairs of faces with the aspect and the angles of the habit, some with cut corners."""
    skew = {Habit.BLOCK: 0.05, Habit.RHOMB: 0.55, Habit.ROD: 0.15, Habit.PLATE: 0.5}.get(habit, 0.1)
    sides = {
        Habit.BLOCK: (1.0, rng.uniform(0.5, 1.0), rng.uniform(0.35, 1.0)),
        Habit.RHOMB: (1.0, rng.uniform(0.5, 1.0), rng.uniform(0.2, 0.9)),
        Habit.ROD: (1.0, rng.uniform(0.1, 0.35), rng.uniform(0.08, 0.3)),
        Habit.PLATE: (1.0, rng.uniform(0.3, 1.0), rng.uniform(0.02, 0.12)),
    }.get(habit, (1.0, 1.0, 1.0))
    basis = np.eye(3) + rng.uniform(-skew, skew, (3, 3)) * (1 - np.eye(3))
    if habit is Habit.PLATE:
        basis[2, :2] = basis[:2, 2] = 0.0
    # The plate's large faces come first: it lies on one of them.
    order = (2, 0, 1)
    normals = np.concatenate([[basis[i], -basis[i]] for i in order])
    offsets = np.array([sides[i] for i in order for _ in range(2)])
    if rng.random() < 0.5:
        normals, offsets = _cut_corners(rng, normals, offsets, in_plane=habit is Habit.PLATE)
    return normals, offsets


def _cut_corners(
    rng: np.random.Generator, normals: FloatArray, offsets: FloatArray, *, in_plane: bool
) -> tuple[FloatArray, FloatArray]:
    extra, distances = [], []
    for _ in range(int(rng.integers(1, 4))):
        first, second = rng.choice(np.arange(2 if in_plane else 0, 6), 2, replace=False)
        if first // 2 == second // 2:
            continue
        cut = normals[first] / offsets[first] + normals[second] / offsets[second]
        distance = 2.0 * rng.uniform(0.55, 0.95)
        extra += [cut, -cut]
        distances += [distance, distance]
    if not extra:
        return normals, offsets
    return np.concatenate([normals, extra]), np.concatenate([offsets, distances])


def _around_axis(rng: np.random.Generator, habit: Habit) -> tuple[FloatArray, FloatArray]:
    """Prisms and bipyramids of three-, four- or sixfold symmetry."""
    fold = int(rng.choice([3, 4, 6] if habit is Habit.BIPYRAMID else [6, 6, 3, 8]))
    angles = 2 * np.pi * np.arange(fold) / fold
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(fold)], axis=1)
    length = math.exp(rng.uniform(math.log(0.3), math.log(3.5)))
    if habit is Habit.BIPYRAMID:
        length = math.exp(rng.uniform(math.log(0.8), math.log(3.0)))
        steep = np.array([0, 0, 1.0 / length])
        normals = np.concatenate([ring + steep, ring - steep])
        offsets = np.ones(2 * fold)
        if rng.random() < 0.35:
            normals = np.concatenate([normals, ring])
            offsets = np.concatenate([offsets, np.full(fold, rng.uniform(0.6, 0.95))])
        if rng.random() < 0.3:
            normals = np.concatenate([normals, [[0, 0, 1], [0, 0, -1]]])
            offsets = np.concatenate([offsets, np.full(2, length * rng.uniform(0.4, 0.9))])
        return normals, offsets
    ends = np.array([[0, 0, 1.0], [0, 0, -1.0]])
    normals, offsets = np.concatenate([ends, ring]), np.concatenate([np.full(2, length), np.ones(fold)])
    if rng.random() < 0.4:
        cap = np.array([0, 0, rng.uniform(0.5, 2.0)])
        reach = length * cap[2] + rng.uniform(0.2, 0.9)
        normals = np.concatenate([normals, ring + cap, ring - cap])
        offsets = np.concatenate([offsets, np.full(2 * fold, reach)])
    return normals, offsets


def _lattice_faces(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Low-index faces of a random cell, each with its opposite."""
    basis = np.eye(3) * rng.uniform(0.6, 1.6, 3)[:, None] + rng.uniform(-0.3, 0.3, (3, 3))
    indices = np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, -1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1], [1, -1, 1]], float
    )
    chosen = np.concatenate([indices[:3], indices[3:][rng.random(6) < 0.45]])
    normals = chosen @ basis
    normals = normals / np.linalg.norm(normals, axis=1)[:, None]
    distances = rng.uniform(0.65, 1.15, len(normals))
    return np.concatenate([normals, -normals]), np.concatenate([distances, distances])


def _vertices(normals: FloatArray, offsets: FloatArray) -> FloatArray:
    triples = np.array(list(combinations(range(len(normals)), 3)))
    matrices = normals[triples]
    solvable = np.abs(np.linalg.det(matrices)) > 1e-4
    points = np.linalg.solve(matrices[solvable], offsets[triples[solvable]][:, :, None])[:, :, 0]
    inside = (points @ normals.T <= offsets + 1e-7).all(axis=1)
    return np.asarray(points[inside], dtype=np.float64)


def _random_rotation(rng: np.random.Generator) -> FloatArray:
    matrix, upper = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(matrix * np.sign(np.diag(upper)), dtype=np.float64)


def _rotation_to_down(normal: FloatArray) -> FloatArray:
    down = np.array([0.0, 0.0, -1.0])
    axis = np.cross(normal, down)
    sine, cosine = float(np.linalg.norm(axis)), float(normal @ down)
    if sine < 1e-9:
        return np.eye(3) if cosine > 0 else np.diag([1.0, -1.0, -1.0])
    return _about(axis / sine, math.atan2(sine, cosine))


def _tilt(rng: np.random.Generator, spread: float) -> FloatArray:
    angle = rng.uniform(0, 2 * math.pi)
    return _about(np.array([math.cos(angle), math.sin(angle), 0.0]), float(rng.normal(0, spread)))


def _about(axis: FloatArray, angle: float) -> FloatArray:
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross, dtype=np.float64)
