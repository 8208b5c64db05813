"""Faults on demand and by seed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from structloop.core.errors import NotCapableError
from structloop.instruments.simulated.draws import draw
from structloop.schema.acquisition import CAPABILITY_OF, Fault

HAS_A_MIDDLE = frozenset(
    {
        "load-grid",
        "unload-grid",
        "move-stage",
        "tilt-stage",
        "acquire",
        "acquire-montage",
        "align-to",
        "autofocus",
        "find-eucentric-height",
        "wait-drift",
    }
)
"""Kinds of action that take long enough to be interrupted in the middle."""


class When(StrEnum):
    """When a fault comes: nothing was done yet, part was done or it is unclear what was, or all was done."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"


@dataclass(frozen=True)
class PlannedFault:
    """A fault that comes at one action.

    Attributes:
        fault: Which. `Fault.TIMEOUT` is a microscope that never answers.
        kind: Kind of action it comes at; None is any.
        nth: At which action of that kind, counted from 1; every attempt counts.
        when: Before, in the middle of, or after what the action does.
        times: At how many attempts in a row it comes.
        carried_out: For faults in the middle that cut only the answer off (all but a stage jam and the autoloader's):
            whether the microscope did what it was asked; None leaves it to the seed.
    """

    fault: Fault
    kind: str | None = None
    nth: int = 1
    when: When = When.BEFORE
    times: int = 1
    carried_out: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot come.

        Raises:
            NotCapableError: no such kind of action, or a count below 1.
        """
        if self.kind is not None and self.kind not in CAPABILITY_OF:
            raise NotCapableError(f"fault {self.fault}: no action is called '{self.kind}'")
        if self.nth < 1 or self.times < 1:
            raise NotCapableError(f"fault {self.fault}: actions are counted from 1")


_MOVES = frozenset({"move-stage", "tilt-stage", "find-eucentric-height", "acquire-montage"})
_LOADS = frozenset({"load-grid", "unload-grid"})
_EXPOSES = frozenset({"acquire", "acquire-montage", "align-to", "autofocus", "find-eucentric-height", "wait-drift"})
_ALL = frozenset(CAPABILITY_OF)

SUSCEPTIBLE: Mapping[Fault, frozenset[str]] = {
    Fault.STAGE_JAM: _MOVES,
    Fault.AUTOLOADER: _LOADS,
    Fault.CAMERA_TIMEOUT: _EXPOSES,
    Fault.DEWAR_FILLING: _EXPOSES | _LOADS,
    Fault.VACUUM: _EXPOSES | _LOADS,
    Fault.CONNECTION_LOST: _ALL,
    Fault.USER_STOP: _ALL,
    Fault.TIMEOUT: _ALL,
}
"""The kinds of action that a fault befalls by chance. One that is planned comes wherever it is planned."""


@dataclass(frozen=True)
class FaultPlan:
    """Which faults come.

    Attributes:
        planned: Single faults, each at its action.
        rates: Chance of a fault per action that it can befall (`SUSCEPTIBLE`); when in the action, is drawn as well.
    """

    planned: tuple[PlannedFault, ...] = ()
    rates: Mapping[Fault, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot come.

        Raises:
            NotCapableError: a rate is no chance, or of a fault that does not come by chance.
        """
        for fault, rate in self.rates.items():
            if fault not in SUSCEPTIBLE:
                raise NotCapableError(f"faults: {fault} does not come by chance; {', '.join(SUSCEPTIBLE)} do")
            if not 0 <= rate <= 1:
                raise NotCapableError(f"faults: {fault}:{rate:g} is not a chance of 0 to 1")

    @classmethod
    def parse(cls, text: str) -> "FaultPlan":
        """The plan of an address' option.

        Args:
            text: Rates and single faults, separated by commas: `stage-jam:0.01`, `camera-timeout@acquire#3:middle`,
                `user-stop@any#20:before`.

        Raises:
            NotCapableError: it cannot be read; the message says what can.
        """
        planned: list[PlannedFault] = []
        rates: dict[Fault, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            try:
                if "@" in part:
                    planned.append(_planned(part))
                else:
                    name, _, rate = part.partition(":")
                    rates[Fault(name)] = float(rate)
            except ValueError as error:
                if isinstance(error, NotCapableError):
                    raise
                raise NotCapableError(
                    f"faults: '{part}' is neither a rate, such as stage-jam:0.01, nor a single fault, such as "
                    f"camera-timeout@acquire#3:middle; faults are {', '.join(SUSCEPTIBLE)}"
                ) from error
        return cls(tuple(planned), rates)


def _planned(text: str) -> PlannedFault:
    name, _, place = text.partition("@")
    place, _, when = place.partition(":")
    kind, _, nth = place.partition("#")
    return PlannedFault(
        Fault(name), None if kind == "any" else kind, int(nth or 1), When(when) if when else When.BEFORE
    )


class FaultSource:
    """Says of each action, as it begins, whether a fault comes: the plan, what was added to it, and the seed's chance.

    Args:
        plan: The plan.
        seed: Of what comes by chance.
    """

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        self._plan = plan
        self._seed = seed
        self._begun: Counter[str | None] = Counter()
        self._planned = list(plan.planned)

    def add(self, planned: PlannedFault) -> None:
        """Plan one more; its `nth` counts from now."""
        counted = self._begun[planned.kind]
        self._planned.append(
            PlannedFault(
                planned.fault,
                planned.kind,
                counted + planned.nth,
                planned.when,
                planned.times,
                planned.carried_out,
            )
        )

    def next(self, kind: str) -> PlannedFault | None:
        """Count an action, and say what fault comes at it; `carried_out` is settled then."""
        self._begun[kind] += 1
        self._begun[None] += 1
        rng = draw(self._seed, "fault", self._begun[None])
        coin = bool(rng.random() < 0.5)
        for planned in self._planned:
            if planned.kind in (kind, None):
                late = self._begun[planned.kind] - planned.nth
                if 0 <= late < planned.times:
                    return self._settled(planned, coin)
        for fault, rate in self._plan.rates.items():
            if kind in SUSCEPTIBLE[fault] and rng.random() < rate:
                when = (When.BEFORE, When.MIDDLE, When.AFTER)[int(rng.integers(3))]
                return self._settled(PlannedFault(fault, kind, when=when), coin)
        return None

    @staticmethod
    def _settled(planned: PlannedFault, coin: bool) -> PlannedFault:
        carried_out = coin if planned.carried_out is None else planned.carried_out
        return PlannedFault(planned.fault, planned.kind, planned.nth, planned.when, planned.times, carried_out)


__all__ = ["HAS_A_MIDDLE", "SUSCEPTIBLE", "FaultPlan", "FaultSource", "PlannedFault", "When"]
