"""A hierarchical logistic model of which holes are good, learned one exposure at a time.

The logit of a hole's chance of being good is a common level, plus the effects of its tile, square and patch, plus a
slope for each feature. All have Gaussian priors; the posterior is Laplace's approximation. Because groups nest, the
normal equations are solved exactly by eliminating patches, then squares, then tiles (Gaussian elimination along the
tree), so that memory is linear in the number of holes and an update costs as much as a pass over the exposures made
so far.

The prior variances follow the published decomposition of the variance of log CTF resolution over a real session
(tile 15 %, square 12 %, patch 15 %, hole within patch 57 %), put on the logit scale, where a hole's own part is that
of the logistic distribution, pi^2 / 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from structloop.grids.targeting.holes import FloatArray, Groups, IntArray

HOLE_VARIANCE = np.pi**2 / 3


@dataclass(frozen=True)
class Prior:
    """Prior of one hierarchical model.

    Attributes:
        level, level_sd: Mean and standard deviation of the common level (logit).
        slopes, slope_sds: The same for each feature.
        tile_sd, square_sd, patch_sd: Standard deviations of the groups' effects (logit).
        square_slope_sd: By how much a feature's slope differs from square to square (standard deviation); 0: it is the
            same everywhere.
        weight: Prior weight of this model among those that are averaged.
    """

    level: float = -0.4
    level_sd: float = 1.0
    slopes: tuple[float, ...] = ()
    slope_sds: tuple[float, ...] = ()
    tile_sd: float = float(np.sqrt(0.15 / 0.57 * HOLE_VARIANCE))
    square_sd: float = float(np.sqrt(0.12 / 0.57 * HOLE_VARIANCE))
    patch_sd: float = float(np.sqrt(0.15 / 0.57 * HOLE_VARIANCE))
    square_slope_sd: float = 0.0
    weight: float = 1.0

    def state(self) -> dict[str, Any]:
        """Plain numbers from which `from_state` makes it again."""
        return asdict(self) | {"slopes": list(self.slopes), "slope_sds": list(self.slope_sds)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Prior":
        """The prior that `state` was taken of."""
        return cls(**{**state, "slopes": tuple(state["slopes"]), "slope_sds": tuple(state["slope_sds"])})


class HierarchicalLogistic:
    """One hierarchical model and its posterior.

    Args:
        groups: The tree of the holes.
        design: Features, shape (n_holes, n_features), standardised.
        prior: See `Prior`.
    """

    def __init__(self, groups: Groups, design: FloatArray, prior: Prior) -> None:
        self.prior = prior
        self._exposed: list[int] = []
        self._rewards: list[float] = []
        self._logits: FloatArray = np.zeros(0)
        self.replace_holes(groups, design)

    def replace_holes(self, groups: Groups, design: FloatArray) -> None:
        """Takes a longer table whose first rows are the holes so far; what was observed is kept."""
        self._groups = groups
        self._design = np.column_stack([np.ones(len(groups.patch)), design])
        self._solve()

    def observe(self, hole: int, reward: float) -> None:
        """Learns that the hole (row number) had this reward in [0, 1]; two Newton steps from the last solution."""
        logit = float(self._patch_mean[self._groups.patch[hole]] @ self._design[hole])
        self._exposed.append(hole)
        self._rewards.append(reward)
        self._logits = np.append(self._logits, logit)
        self._solve()
        self._solve()

    def predict(self, holes: IntArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and variance of the logit of each hole, shape (n,) each."""
        x, patch = self._design, self._groups.patch
        if holes is not None:
            x, patch = x[holes], patch[holes]
        mean = np.einsum("ni,ni->n", x, self._patch_mean[patch])
        variance = np.einsum("ni,nij,nj->n", x, self._patch_covariance[patch], x)
        return mean, variance

    def chances(self, holes: IntArray | None = None) -> FloatArray:
        """Posterior chance of each hole of being good, shape (n,); MacKay's approximation of the averaged logistic."""
        mean, variance = self.predict(holes)
        chances: FloatArray = expit(mean / np.sqrt(1 + np.pi / 8 * variance))
        return chances

    def square_information(self, holes: IntArray) -> FloatArray:
        """By how much exposing each hole is expected to lower the variance of its square's level, shape (n,)."""
        x, patch = self._design[holes], self._groups.patch[holes]
        square = self._groups.square_of_patch[patch]
        # Covariance of the square's level with the patch's coefficients, then with the hole's logit.
        transform = np.eye(self._design.shape[1]) - self._steps[2].gain[patch]
        shared = np.einsum("ni,nij,nj->n", x, transform, self._square_covariance[square][:, 0, :])
        mean, variance = self.predict(holes)
        chance = expit(mean)
        information: FloatArray = shared**2 / (variance + 1 / np.maximum(chance * (1 - chance), 1e-4))
        return information

    def sample_chances(self, draws: int, rng: np.random.Generator) -> FloatArray:
        """Draws of every hole's chance from the posterior, shape (draws, n_holes)."""
        groups = self._groups
        common = rng.multivariate_normal(self._common_mean, self._common_covariance, size=draws, method="cholesky")
        drawn = common[:, None, :]
        parents = (np.zeros(len(groups.tile_names), dtype=np.intp), groups.tile_of_square, groups.square_of_patch)
        for step, parent in zip(self._steps, parents, strict=True):
            above = drawn[:, parent, :]
            # The covariances are singular where a coefficient is tied to the parent's: a symmetric root always exists.
            values, vectors = np.linalg.eigh(step.covariance)
            root = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
            noise = np.einsum("nij,dnj->dni", root, rng.standard_normal(above.shape))
            drawn = above - np.einsum("nij,dnj->dni", step.gain, above) + step.offset + noise
        chances: FloatArray = expit(np.einsum("dni,ni->dn", drawn[:, groups.patch, :], self._design))
        return chances

    @property
    def slopes(self) -> FloatArray:
        """Posterior means of the slopes, shape (n_features,)."""
        slopes: FloatArray = self._common_mean[1:]
        return slopes

    def posterior(self) -> Prior:
        """What was learned about level and slopes, as the prior of a later session on another grid."""
        sds = np.sqrt(np.diag(self._common_covariance))
        return Prior(
            level=float(self._common_mean[0]),
            # Another grid has its own level: at least half of a session's own doubt stays.
            level_sd=float(max(sds[0], 0.5)),
            slopes=tuple(float(value) for value in self._common_mean[1:]),
            slope_sds=tuple(float(max(value, 0.2)) for value in sds[1:]),
            tile_sd=self.prior.tile_sd,
            square_sd=self.prior.square_sd,
            patch_sd=self.prior.patch_sd,
            square_slope_sd=self.prior.square_slope_sd,
            weight=self.prior.weight,
        )

    def _solve(self) -> None:
        """One Newton step of the posterior mode from the current logits, and the posterior at it."""
        groups, prior = self._groups, self.prior
        self._linearised_at = self._logits
        size = self._design.shape[1]
        precision = np.zeros((len(groups.patch_names), size, size))
        linear = np.zeros((len(groups.patch_names), size))
        exposed = np.array(self._exposed, dtype=np.intp)
        x = self._design[exposed]
        if len(exposed):
            chance = expit(self._logits)
            weight = np.maximum(chance * (1 - chance), 1e-4)
            pseudo = weight * self._logits + np.array(self._rewards) - chance
            np.add.at(precision, groups.patch[exposed], weight[:, None, None] * x[:, :, None] * x[:, None, :])
            np.add.at(linear, groups.patch[exposed], pseudo[:, None] * x)
        patch_variance, square_variance, tile_variance = np.zeros((3, size))
        patch_variance[0], tile_variance[0] = prior.patch_sd**2, prior.tile_sd**2
        square_variance[0], square_variance[1:] = prior.square_sd**2, prior.square_slope_sd**2
        root = np.zeros(len(groups.tile_names), dtype=np.intp)
        to_square = _eliminate(precision, linear, patch_variance, groups.square_of_patch, len(groups.square_names))
        to_tile = _eliminate(*to_square.parents, square_variance, groups.tile_of_square, len(groups.tile_names))
        to_root = _eliminate(*to_tile.parents, tile_variance, root, 1)

        prior_mean = np.array([prior.level, *prior.slopes])
        prior_precision = np.diag(1 / np.array([prior.level_sd, *prior.slope_sds]) ** 2)
        self._common_covariance = np.linalg.inv(prior_precision + to_root.parents[0][0])
        self._common_mean = self._common_covariance @ (prior_precision @ prior_mean + to_root.parents[1][0])
        tiles = _substitute(
            np.tile(self._common_mean, (len(groups.tile_names), 1)),
            np.tile(self._common_covariance, (len(groups.tile_names), 1, 1)),
            to_root,
        )
        squares = _substitute(tiles[0][groups.tile_of_square], tiles[1][groups.tile_of_square], to_tile)
        patches = _substitute(squares[0][groups.square_of_patch], squares[1][groups.square_of_patch], to_square)
        self._steps = (to_root, to_tile, to_square)
        self._square_covariance = squares[1]
        self._patch_mean, self._patch_covariance = patches
        if len(exposed):
            self._logits = np.einsum("ni,ni->n", x, self._patch_mean[groups.patch[exposed]])

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs besides the holes; plain numbers."""
        return {
            "exposed": list(self._exposed),
            "rewards": list(self._rewards),
            # Where the last step started from: solving once from here gives the very same numbers.
            "linearised_at": [float(value) for value in self._linearised_at],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over a saved state exactly; the holes must be the same."""
        self._exposed = [int(value) for value in state["exposed"]]
        self._rewards = [float(value) for value in state["rewards"]]
        self._logits = np.array(state["linearised_at"], dtype=np.float64)
        self._solve()


@dataclass(frozen=True)
class _Elimination:
    """What is left after integrating out the effects of one level of groups.

    Attributes:
        parents: Precision (n_parents, d, d) and linear term (n_parents, d) that the data give the parents'
        coefficients.
        offset, gain, covariance: A group's effect given its parent's coefficients b is normal, with mean
            `offset - gain @ b` and this covariance; shapes (n, d), (n, d, d), (n, d, d).
    """

    parents: tuple[FloatArray, FloatArray]
    offset: FloatArray
    gain: FloatArray
    covariance: FloatArray


def _eliminate(
    precision: FloatArray, linear: FloatArray, variance: FloatArray, parent: IntArray, n_parents: int
) -> _Elimination:
    """Integrates out each group's own effect ~ N(0, diag(variance)), passing what is left on to its parent.

    `precision` (n, d, d) and `linear` (n, d) are the quadratic form of the data in the group's coefficients (level,
    slopes); a variance of 0 ties that coefficient to the parent's.
    """
    spread = np.diag(variance)
    # (1 + precision spread)^-1, which exists although neither factor need have an inverse.
    shrink = np.linalg.inv(np.eye(len(variance)) + precision @ spread)
    left = shrink @ precision
    left_linear = np.einsum("nij,nj->ni", shrink, linear)
    parents = (np.zeros((n_parents, *precision.shape[1:])), np.zeros((n_parents, len(variance))))
    np.add.at(parents[0], parent, left)
    np.add.at(parents[1], parent, left_linear)
    return _Elimination(parents, left_linear * variance, variance[:, None] * left, variance[:, None] * shrink)


def _substitute(mean: FloatArray, covariance: FloatArray, step: _Elimination) -> tuple[FloatArray, FloatArray]:
    """Posterior of a group's coefficients from that of its parent's; the reverse of `_eliminate`."""
    transform = np.eye(mean.shape[1]) - step.gain
    own = np.einsum("nij,nj->ni", transform, mean) + step.offset
    return own, transform @ covariance @ transform.transpose(0, 2, 1) + step.covariance


class ModelAverage:
    """Several models of the same holes, weighted by how well each predicted the exposures so far.

    With features there are two: one that uses them and one that does not, so that a misleading feature loses its say.

    Args:
        groups: The tree of the holes.
        designs: Features for each model, shape (n_holes, n_features) each.
        priors: One per model.
    """

    def __init__(self, groups: Groups, designs: Sequence[FloatArray], priors: Sequence[Prior]) -> None:
        self.members = [
            HierarchicalLogistic(groups, design, prior) for design, prior in zip(designs, priors, strict=True)
        ]
        self._log_weights = np.log([prior.weight for prior in priors])

    @property
    def weights(self) -> FloatArray:
        """Posterior weight of each model, shape (n_models,), summing to 1."""
        raw = np.exp(self._log_weights - self._log_weights.max())
        weights: FloatArray = raw / raw.sum()
        return weights

    def chances(self, holes: IntArray | None = None) -> FloatArray:
        """Averaged chance of each hole of being good, shape (n,)."""
        total: FloatArray = sum(
            (weight * member.chances(holes) for weight, member in zip(self.weights, self.members, strict=True)),
            start=np.zeros(1),
        )
        return total

    def observe(self, hole: int, reward: float) -> None:
        """Learns from one exposure: first who predicted it, then what it says."""
        row = np.array([hole], dtype=np.intp)
        for number, member in enumerate(self.members):
            chance = float(np.clip(member.chances(row)[0], 1e-3, 1 - 1e-3))
            self._log_weights[number] += reward * np.log(chance) + (1 - reward) * np.log(1 - chance)
            member.observe(hole, reward)

    def replace_holes(self, groups: Groups, designs: Sequence[FloatArray]) -> None:
        """Takes a longer table; see `HierarchicalLogistic.replace_holes`."""
        for member, design in zip(self.members, designs, strict=True):
            member.replace_holes(groups, design)

    def state(self) -> dict[str, Any]:
        """Plain numbers from which `restore` continues."""
        return {
            "log_weights": [float(value) for value in self._log_weights],
            "members": [member.state() for member in self.members],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over a saved state exactly."""
        self._log_weights = np.array(state["log_weights"], dtype=np.float64)
        for member, saved in zip(self.members, state["members"], strict=True):
            member.restore(saved)


__all__ = ["HierarchicalLogistic", "ModelAverage", "Prior"]
