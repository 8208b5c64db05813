import csv
import importlib
from pathlib import Path

import pytest

from structloop.instruments.drivers import microscope_drivers, open_microscope
from structloop.instruments.mapping import (
    OPERATIONS,
    Fit,
    VendorMapping,
    composed,
    direct,
    missing,
    unknown,
    vendor_mapping,
)
from structloop.schema.acquisition import CAPABILITY_OF, Capability

VENDORS = ["simulated", "serialem", "epu", "leginon", "tem_scripting", "jadas", "latitude"]
COMMANDS = Path(importlib.import_module("structloop.instruments").__file__ or "").parent / "serialem" / "commands.csv"


def mapping_of(vendor: str) -> VendorMapping:
    found = importlib.import_module(f"structloop.instruments.{vendor}.mapping").MAPPING
    assert isinstance(found, VendorMapping)
    return found


def complete(*rows: str) -> list[str]:
    return [name for name in OPERATIONS if name not in rows]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_operation_is_spoken_of_once_and_in_order(vendor: str) -> None:
    assert [row.operation for row in mapping_of(vendor).rows] == list(OPERATIONS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_missing_or_unknown_names_no_call_and_the_rest_does(vendor: str) -> None:
    for row in mapping_of(vendor).rows:
        assert (row.fit in (Fit.DIRECT, Fit.COMPOSED)) == bool(row.theirs)


@pytest.mark.parametrize("vendor", VENDORS)
def test_tables_keep_to_one_line_and_column(vendor: str) -> None:
    for row in mapping_of(vendor).rows:
        assert "\n" not in row.note + "".join(row.theirs)


def test_every_action_of_the_vocabulary_is_an_operation() -> None:
    assert set(CAPABILITY_OF) < set(OPERATIONS)


def test_the_commands_named_for_serialem_are_on_its_list() -> None:
    with COMMANDS.open(encoding="utf-8", newline="") as file:
        known = {row["name"] for row in csv.DictReader(file)}
    named = {name for row in mapping_of("serialem").rows for name in row.theirs}
    assert named - known == set()


def test_each_capability_is_covered_by_one_vendor_that_commands() -> None:
    commanding = ["serialem", "leginon", "tem_scripting", "jadas", "latitude"]
    offered = set().union(*(mapping_of(vendor).capabilities() for vendor in commanding))
    assert set(Capability) - offered == {Capability.ADVICE}


def test_an_operation_left_out_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"left out.*advise"):
        vendor_mapping("x", "X", interface="", units="", rows=[missing(name) for name in complete("advise")])


def test_an_operation_said_twice_is_an_error() -> None:
    rows = [*(missing(name) for name in OPERATIONS), unknown("abort")]
    with pytest.raises(ValueError, match="said twice \\['abort'\\]"):
        vendor_mapping("x", "X", interface="", units="", rows=rows)


def test_an_operation_of_nobody_is_an_error() -> None:
    rows = [*(missing(name) for name in OPERATIONS), direct("fly", "Fly()")]
    with pytest.raises(ValueError, match="not ours \\['fly'\\]"):
        vendor_mapping("x", "X", interface="", units="", rows=rows)


def test_something_that_can_be_done_names_a_call() -> None:
    rows = [*(missing(name) for name in complete("abort")), composed("abort")]
    with pytest.raises(ValueError, match="'abort' is composed but names no call"):
        vendor_mapping("x", "X", interface="", units="", rows=rows)


def test_capabilities_follow_from_what_can_be_done() -> None:
    rows = [
        *(missing(name) for name in complete("tilt-stage", "abort")),
        direct("tilt-stage", "T()"),
        direct("abort", "A"),
    ]
    mapping = vendor_mapping("x", "X", interface="", units="", rows=rows)
    assert mapping.covered() == {"tilt-stage", "abort"}
    assert mapping.capabilities() == {Capability.STAGE}
    assert mapping.row("tilt-stage").theirs == ("T()",)
    with pytest.raises(KeyError):
        mapping.row("fly")


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_driver_offers_what_its_vendor_s_words_do_not_cover(vendor: str) -> None:
    mapping = mapping_of(vendor)
    assert microscope_drivers.get(mapping.driver).capabilities <= mapping.capabilities()


def test_the_simulated_microscope_does_what_its_mapping_says() -> None:
    operations = open_microscope("simulated://").description.operations
    assert mapping_of("simulated").covered() & set(CAPABILITY_OF) == operations
