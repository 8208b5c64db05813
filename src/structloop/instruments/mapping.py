"""What our operations are called in a vendor's vocabulary, and what is missing there: frozen tables, checked for gaps.

The tables are what the reference page of microscopes is made from, and what proves the interface against vocabularies
other than its own. Where we do not know, they say so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from structloop.schema.acquisition import CAPABILITY_OF, Capability

READING: dict[str, Capability | None] = {
    "list-slots": Capability.AUTOLOADER,
    "state": None,
    "abort": None,
    "observe": Capability.OBSERVATION,
    "advise": Capability.ADVICE,
}
"""What is asked of a microscope besides actions, and the capability that it belongs to."""

OPERATIONS: tuple[str, ...] = (*CAPABILITY_OF, *READING)
"""Everything that a mapping says something about."""


class Fit(StrEnum):
    """How well a vendor's vocabulary covers an operation."""

    DIRECT = "direct"
    COMPOSED = "composed"
    MISSING = "missing"
    UNKNOWN = "unknown"


FIT_MEANS: dict[Fit, str] = {
    Fit.DIRECT: "one call of theirs does it",
    Fit.COMPOSED: "several calls of theirs, or one and a calibration of ours, do it",
    Fit.MISSING: "they have no call for it; the note says what could stand in",
    Fit.UNKNOWN: "we do not know: nothing public that we read says so",
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """One operation in a vendor's words.

    Attributes:
        operation: Ours, one of `OPERATIONS`.
        theirs: Their calls, fields or files, as they write them.
        note: Units, signs, traps; what could stand in.
    """

    operation: str
    fit: Fit
    theirs: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class VendorMapping:
    """How a vendor's vocabulary covers ours.

    Attributes:
        driver: Name of the driver among the plugins.
        title: What people call it.
        interface: Which of the vendor's interfaces the words are of, and what is needed to reach it.
        units: Units and signs of that interface, and where they differ from ours.
        rows: One per operation, in the order of `OPERATIONS`.
    """

    driver: str
    title: str
    interface: str
    units: str
    rows: tuple[Mapped, ...]

    def row(self, operation: str) -> Mapped:
        """What is said of an operation.

        Raises:
            KeyError: it is none of ours.
        """
        for row in self.rows:
            if row.operation == operation:
                return row
        raise KeyError(operation)

    def covered(self) -> frozenset[str]:
        """The operations that can be done."""
        return frozenset(row.operation for row in self.rows if row.fit in (Fit.DIRECT, Fit.COMPOSED))

    def capabilities(self) -> frozenset[Capability]:
        """The capabilities of which at least one operation can be done: what a driver may offer at most."""
        everything: dict[str, Capability | None] = {**CAPABILITY_OF, **READING}
        return frozenset(part for name in self.covered() if (part := everything[name]) is not None)


def vendor_mapping(driver: str, title: str, *, interface: str, units: str, rows: Iterable[Mapped]) -> VendorMapping:
    """A mapping whose rows are complete and in order.

    Raises:
        ValueError: an operation is left out, said twice, or none of ours; or a row that can be done names no call.
    """
    given = list(rows)
    by_name = {row.operation: row for row in given}
    left_out = [name for name in OPERATIONS if name not in by_name]
    foreign = [name for name in by_name if name not in OPERATIONS]
    if left_out or foreign or len(by_name) != len(given):
        twice = sorted(
            {row.operation for row in given if [other.operation for other in given].count(row.operation) > 1}
        )
        raise ValueError(f"mapping of {driver}: left out {left_out}, not ours {foreign}, said twice {twice}")
    for row in given:
        if (row.fit in (Fit.DIRECT, Fit.COMPOSED)) != bool(row.theirs):
            raise ValueError(f"mapping of {driver}: '{row.operation}' is {row.fit} but names {row.theirs or 'no call'}")
    return VendorMapping(driver, title, interface, units, tuple(by_name[name] for name in OPERATIONS))


def direct(operation: str, *theirs: str, note: str = "") -> Mapped:
    """An operation that one call of theirs does."""
    return Mapped(operation, Fit.DIRECT, theirs, note)


def composed(operation: str, *theirs: str, note: str = "") -> Mapped:
    """An operation that several calls of theirs do."""
    return Mapped(operation, Fit.COMPOSED, theirs, note)


def missing(operation: str, note: str = "") -> Mapped:
    """An operation that they have no call for."""
    return Mapped(operation, Fit.MISSING, (), note)


def unknown(operation: str, note: str = "") -> Mapped:
    """An operation of which we do not know."""
    return Mapped(operation, Fit.UNKNOWN, (), note)


__all__ = [
    "FIT_MEANS",
    "OPERATIONS",
    "READING",
    "Fit",
    "Mapped",
    "VendorMapping",
    "composed",
    "direct",
    "missing",
    "unknown",
    "vendor_mapping",
]
