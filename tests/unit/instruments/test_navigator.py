"""Navigator files, text and XML: read, changed and written, and nothing is lost."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.serialem.autodoc import Section, parse_autodoc
from structloop.instruments.serialem.navigator import Colour, ItemType, Navigator

NAV = """AdocVersion = 2.00
LastSavedAs = D:\\session\\nav.nav

[Item = 1-A]
Color = 2
StageXYZ = -495.956 436.348 44.77
NumPts = 5
Regis = 1
Type = 2
Note = Sec 0 - map.mrc -
MapFile = map.mrc
MapID = 1291353952
MapMontage = 0
MapScaleMat = 0.638997 -26.616 -26.5862 -1.01529
MapWidthHeight = 4096 4096
FutureKey = something = else
PtsX = -421.93 -416.058 -569.982 -575.854 -421.93
PtsY = 515.071 361.32 357.625 511.376 515.071

[Item = 2]
Color = 0
StageXYZ = 606.212 23.472 -0.03672
NumPts = 1
Regis = 1
Type = 0
Acquire = 1
DrawnID = 1291353952
MapID = 725818750
PtsX = 606.212
PtsY = 23.472
"""
XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<navigator>
  <PreData>
    <AdocVersion>2.00</AdocVersion>
    <LastSavedAs>D:\\session\\nav.nav</LastSavedAs>
  </PreData>
  <Item name="1-A &amp; more">
    <Color>0</Color>
    <StageXYZ>1 2 3</StageXYZ>
    <NumPts>1</NumPts>
    <Regis>1</Regis>
    <Type>0</Type>
    <Note>5 &lt; 6</Note>
    <FutureKey>kept</FutureKey>
    <PtsX>1</PtsX>
    <PtsY>2</PtsY>
  </Item>
</navigator>
"""


def test_items_say_what_they_are() -> None:
    navigator = Navigator.parse(NAV.encode())
    first, second = navigator.items
    assert (first.label, first.kind, first.colour, first.note) == (
        "1-A",
        ItemType.MAP,
        Colour.BLUE,
        "Sec 0 - map.mrc -",
    )
    assert first.stage_um == (-495.956, 436.348, 44.77)
    assert first.points_um[1] == (-416.058, 361.32)
    assert first.stage_to_map == ((0.638997, -26.616), (-26.5862, -1.01529))
    assert first.map_size_px == (4096, 4096)
    assert not first.acquire
    assert second.acquire
    assert navigator.drawn_on(first) == (second,)
    assert first.section["FutureKey"] == "something = else"


@pytest.mark.parametrize("text", [NAV, NAV.replace("\n", "\r\n"), NAV.rstrip("\n"), "# a comment\n" + NAV, XML])
def test_what_is_read_is_written_byte_for_byte(text: str, tmp_path: Path) -> None:
    path = tmp_path / "nav.nav"
    path.write_bytes(text.encode())
    Navigator.read(path).write(tmp_path / "again.nav")
    assert (tmp_path / "again.nav").read_bytes() == path.read_bytes()


def test_one_change_changes_one_line() -> None:
    navigator = Navigator.parse(NAV.replace("\n", "\r\n").encode())
    navigator.items[1].note = "good hole"
    navigator.items[0].colour = Colour.RED
    before, after = NAV.splitlines(), navigator.text().splitlines()
    assert set(after) - set(before) == {"Note = good hole"}
    assert after[4] == "Color = 0"
    assert "\n" not in navigator.text().replace("\r\n", "")


def test_a_point_is_added_where_serialem_finds_it() -> None:
    navigator = Navigator.parse(NAV.rstrip("\n").encode())
    added = navigator.add_point("hole 7", (1.25, -2.5, 30.0), note="chosen", acquire=True, drawn_on=navigator.items[0])
    again = Navigator(parse_autodoc(navigator.text().encode(), "nav"))
    assert navigator.text().startswith(NAV)
    found = again.item("hole 7")
    assert found is not None
    assert (found.stage_um, found.points_um, found.acquire) == ((1.25, -2.5, 30.0), ((1.25, -2.5),), True)
    assert found.drawn_id == again.items[0].map_id
    assert found.map_id == added.map_id
    assert [item.map_id for item in again].count(found.map_id) == 1
    navigator.remove(added)
    assert len(navigator) == 2


def test_an_xml_file_stays_one() -> None:
    navigator = Navigator.parse(XML.encode())
    assert navigator.items[0].label == "1-A & more"
    assert navigator.items[0].note == "5 < 6"
    navigator.add_point("2", (0.0, 0.0, 0.0))
    again = Navigator.parse(navigator.text().encode("latin-1"))
    assert [item.label for item in again] == ["1-A & more", "2"]
    assert again.items[0].section["FutureKey"] == "kept"
    assert again.document.root == "navigator"


@pytest.mark.parametrize("xml", [False, True])
def test_a_new_file_can_be_read(xml: bool) -> None:
    navigator = Navigator(xml=xml)
    navigator.add_polygon("square", [(0, 0), (1, 0), (1, 1), (0, 0)], (0.5, 0.5, 0.0))
    again = Navigator(parse_autodoc(navigator.text().encode(), "nav"))
    assert again.items[0].kind == ItemType.POLYGON
    assert again.items[0].points_um == ((0, 0), (1, 0), (1, 1), (0, 0))
    assert again.items[0].registration == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("nonsense", "line 1"),
        ("Key = value\n", "no AdocVersion"),
        (NAV.replace("[Item = 2]", "[Item = 2"), r"line 20: .* no heading"),
        (
            NAV.replace("StageXYZ = 606.212 23.472 -0.03672", "StageXYZ = 606.212 23"),
            r"line 20.*Item = 2.*2 numbers, not 3",
        ),
        (NAV.replace("Type = 0", "Type = x"), "no number"),
        (NAV.replace("PtsY = 23.472\n", ""), "1 PtsX and 0 PtsY"),
        (NAV[: NAV.index(" -575.854")], "NumPts says 5"),
        (NAV[: NAV.index("-575.854") + 1], "no number"),
        (NAV[: NAV.index("436.348")], "Type is missing"),
        (NAV[: NAV.rindex("StageXYZ")], "Type is missing|StageXYZ is missing"),
        (NAV + "Pts", "no 'key = value'"),
        (XML.replace("</Item>", ""), "line"),
        (XML[:200], "line"),
        (XML.replace("<navigator>", '<!DOCTYPE a [<!ENTITY b "c">]><navigator>'), "XML"),
        (XML.replace("ISO-8859-1", "no-such-code"), "XML"),
        ("AdocVersion = 2.00\0", "line 1"),
    ],
)
def test_damaged_files_are_told_with_their_line(text: str, message: str) -> None:
    with pytest.raises(AcquisitionFileError, match=message):
        Navigator.parse(text.encode())


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AcquisitionFileError, match=r"nav\.nav cannot be read"):
        Navigator.read(tmp_path / "nav.nav")


@pytest.mark.parametrize("label", ["", " a", "a]", "a\nb"])
def test_labels_that_cannot_be_written_are_refused(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        Navigator().add_point(label, (0, 0, 0))


@pytest.mark.parametrize("note", ["two\nlines", " blank", "tail "])
def test_notes_that_cannot_be_written_are_refused(note: str) -> None:
    with pytest.raises(ValueError, match="value"):
        Navigator().add_point("1", (0, 0, 0), note=note)


# --- Laws ------------------------------------------------------------------------------------------------------------

plain = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))
values = (
    st.text(plain, max_size=20).map(str.strip).filter(lambda text: len(text.splitlines()) <= 1 and "\x85" not in text)
)
keys = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,12}", fullmatch=True)
names = values.filter(lambda text: "]" not in text)
sections = st.tuples(keys, names, st.lists(st.tuples(keys, values), max_size=5))


@given(
    st.lists(st.tuples(keys, values), min_size=1, max_size=4),
    st.lists(sections, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_file_comes_back_byte_for_byte(
    head: list[tuple[str, str]], parts: list[tuple[str, str, list[tuple[str, str]]]], end: str
) -> None:
    lines = [f"{key} = {value}" for key, value in head]
    for kind, name, pairs in parts:
        lines += ["", f"[{kind} = {name}]", *(f"{key} = {value}" for key, value in pairs)]
    text = end.join(lines) + end
    document = parse_autodoc(text.encode(), "made up")
    assert document.text() == text
    assert document.head.items() == head
    assert [(each.kind, each.name, each.items()) for each in document.sections] == parts


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: NAV.encode()[:400] + tail))
def test_any_bytes_are_a_file_or_an_error_of_ours(data: bytes) -> None:
    try:
        navigator = Navigator.parse(data)
    except AcquisitionFileError:
        return
    assert navigator.text().encode("utf-8", "surrogateescape") == data


# --- Real files ------------------------------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "maps"), [("sessions/serialem/nav.nav", 1), ("images/serialem_montage/nav.nav", 33)])
def test_real_files_come_back_byte_for_byte(real_data: Path, tmp_path: Path, name: str, maps: int) -> None:
    path = real_data / "grids" / name
    navigator = Navigator.read(path)
    navigator.write(tmp_path / "nav.nav")
    assert (tmp_path / "nav.nav").read_bytes() == path.read_bytes()
    assert len(navigator.maps) == maps


@pytest.mark.real_data
def test_the_real_map_says_what_the_file_says(real_data: Path) -> None:
    item = Navigator.read(real_data / "grids/images/serialem_montage/nav.nav").items[0]
    assert (item.label, item.map_id, item.map_size_px, item.map_is_montage) == ("2", 1600537066, (888, 901), True)
    assert item.stage_um == (0.0405, -0.01158, -0.03672)
    assert item.points_um[2] == (-958.016, -1141.15)


def test_adding_many_points_looks_at_each_of_them_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    get = Section.get

    def counted(section: Section, key: str) -> str | None:
        nonlocal looks
        looks += 1
        return get(section, key)

    monkeypatch.setattr(Section, "get", counted)
    navigator = Navigator.parse(NAV.encode())
    square = navigator.maps[0]
    looks = 0
    for number in range(5000):
        navigator.add_point(f"p{number}", (number, 0.0, 0.0), drawn_on=square if number % 2 else None)
    assert looks < 20 * 5000
    ids = [item.map_id for item in navigator]
    assert len(set(ids)) == len(ids) == 5002


def test_ids_stay_distinct_when_items_are_taken_out_or_appended_and_at_the_end_of_all_ids() -> None:
    navigator = Navigator.parse(NAV.encode())
    first, second = (navigator.add_point(label, (0.0, 0.0, 0.0)) for label in "ab")
    assert first.map_id is not None
    navigator.remove(first)
    other = Section("Item", "by hand")
    other["MapID"] = str(first.map_id + 7)
    other["Regis"] = "4"
    navigator.document.sections.append(other)
    third = navigator.add_point("c", (0.0, 0.0, 0.0))
    assert third.registration == 4
    assert third.map_id not in (second.map_id, first.map_id + 7)
    third.section["MapID"] = str(2**31 - 1)
    again = Navigator(parse_autodoc(navigator.text().encode(), "nav"))
    added = [again.add_point(label, (0.0, 0.0, 0.0)).map_id for label in "de"]
    assert added == [1, 2]
