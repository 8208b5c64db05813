"""The bytes of SerialEM's socket: against frames worked out by hand, and as laws."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import ProtocolError
from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import commands
from unit.instruments.serialem_codes import ARGUMENTS, CODES


def packed(text: str) -> bytes:
    return bytes.fromhex(text)


def encoded(name: str, *arguments: object) -> bytes:
    spec = commands()[name]
    return wire.encode_request(wire.Command(spec.code, spec.items(arguments)))


# --- By hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_codes_are_those_of_serialem(name: str, code: int) -> None:
    assert commands()[name].code == code


@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS.items())
def test_arguments_are_those_of_serialem(name: str, arguments: str) -> None:
    assert commands()[name].arguments == arguments


def test_a_command_without_arguments_has_an_array_of_one_word() -> None:
    # 24 bytes; function 1; ReportStageXYZ is 293 = 0x125; last index 0; one word; the word.
    assert encoded("ReportStageXYZ") == packed("18000000 01000000 25010000 00000000 01000000 00000000")


def test_numbers_travel_as_double_and_as_text() -> None:
    # MoveStageTo is 286 = 0x11e; last index 2, so 3 items: 12 + 24 bytes, then "", "10.5", "-20." with their NULs: 11.
    # 47 bytes are (47 + 5) // 4 = 13 words; the frame is 20 + 52 = 72 = 0x48 bytes.
    assert encoded("MoveStageTo", 10.5, -20) == packed(
        "48000000 01000000 1e010000 02000000 0d000000"
        "00000000 00000000 00000000"
        "0000000000000000 0000000000002540 00000000000034c0"
        "00 31302e3500 2d32302e00 0000000000"
    )


def test_integers_have_no_point_in_their_text() -> None:
    # LoadCartridge is 406 = 0x196; 2 items: 8 + 16 + 1 + 2 = 27 bytes, (27 + 5) // 4 = 8 words; 52 = 0x34 bytes.
    assert encoded("LoadCartridge", 3) == packed(
        "34000000 01000000 96010000 01000000 08000000"
        "00000000 00000000 0000000000000000 0000000000000840"
        "00 3300 0000000000"
    )


def test_texts_carry_the_number_that_they_begin_with() -> None:
    # SetPersistentVar is 3; 3 items: 12 + 24 + 1 + 2 + 5 = 44 bytes, (44 + 5) // 4 = 12 words; 68 = 0x44 bytes.
    assert encoded("SetPersistentVar", "a", "12.5") == packed(
        "44000000 01000000 03000000 02000000 0c000000"
        "00000000 00000000 00000000"
        "0000000000000000 0000000000000000 0000000000002940"
        "00 6100 31322e3500 00000000"
    )


def test_optional_arguments_that_are_left_out_are_not_sent() -> None:
    assert encoded("TiltTo", 1.0)[8:20] == struct.pack("<iii", 65, 1, 8)
    assert encoded("TiltTo", 1.0, 1) == encoded("TiltTo", 1.0, 1, None, None)
    assert encoded("TiltTo", 1.0, 1, -1e8, 2.0) == encoded("TiltTo", 1.0, 1), "SerialEM's module ends there too"


def test_an_optional_number_left_out_among_others_stands_for_not_given() -> None:
    items = commands()["TiltTo"].items([1.0, None, None, 2.0])
    assert [item.given for item in items] == [True, False, False, True]
    assert items[1] == items[2] == wire.Item(-1e8, "")


def test_booleans_are_1_and_0() -> None:
    assert encoded("SetSlitIn", True) == encoded("SetSlitIn", 1)
    assert encoded("MoveStageTo", False, True) == encoded("MoveStageTo", 0.0, 1.0)
    with pytest.raises(TypeError, match="must be a text"):
        encoded("Echo", True)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0."), (1.0, "1."), (0.1234567, "0.123457"), (-3.25, "-3.25"), (1e-9, "0."), (100.0, "100."), (-0.0, "-0.")],
)
def test_numbers_are_told_with_six_decimals_less_zeros(value: float, text: str) -> None:
    item = wire.number_item(value)
    assert item.text == text
    assert item.number == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.5", 12.5),
        ("  -3e2x", -300.0),
        (".5.5", 0.5),
        ("abc", 0.0),
        ("", 0.0),
        ("0x10", 16.0),
        ("1e999", math.inf),
        ("infinity!", math.inf),
        ("-inf", -math.inf),
        ("\u0663", 0.0),
        ("1_000", 1.0),
    ],
)
def test_the_number_that_a_text_begins_with(text: str, value: float) -> None:
    assert wire.leading_number(text) == value


def test_small_requests() -> None:
    assert wire.encode_request(wire.OkToRun()) == packed("08000000 03000000")
    assert wire.encode_request(wire.GetImage(2, True)) == packed("10000000 04000000 02000000 01000000")
    assert wire.encode_handshake() == packed("08000000 02000000")
    # 9 words after the function: type 6, 4 x 3 pixels, 24 bytes, buffers B and A, binning 1, kind -1, one chunk.
    assert wire.encode_request(wire.PutImage(6, 4, 3, 24, 1, 0)) == packed(
        "2c000000 05000000 06000000 04000000 03000000 18000000 01000000 00000000 01000000 ffffffff 01000000"
    )


def test_replies() -> None:
    # Nothing: highest index -1, no error, one word that means nothing.
    assert wire.encode_reply(wire.Reply()) == packed("18000000 00000000 ffffffff 00000000 01000000 00000000")
    # One number: highest index 0; 12 bytes are (12 + 5) // 4 = 4 words; 36 = 0x24 bytes.
    one = packed("24000000 00000000 00000000 00000000 04000000 00000000 000000000000f83f 00000000")
    assert wire.encode_reply(wire.Reply((1.5,))) == one
    # A number and a text: 2 x 12 + 3 = 27 bytes, 8 words, 52 = 0x34 bytes.
    two = packed(
        "34000000 00000000 01000000 00000000 08000000"
        "00000000 01000000 000000000000f0bf 0000000000000000 484900 0000000000"
    )
    assert wire.encode_reply(wire.Reply((-1.0, "HI"))) == two
    assert wire.decode_reply(two[4:]) == wire.Reply((-1.0, "HI"))
    # An error: word 1 and the message.
    failed = packed("28000000 00000000 00000000 01000000 05000000 01000000 0000000000000000 6f682100 aabbccdd")
    assert wire.decode_reply(failed[4:]) == wire.Reply(("oh!",), error=1)
    assert wire.encode_ok_to_run(True) == packed("0c000000 00000000 01000000")
    assert wire.encode_refusal(-10) == packed("08000000 f6ffffff")
    # uint16, rows of 12 bytes, 5 x 2 pixels, 24 bytes, one chunk.
    header = packed("20000000 00000000 06000000 0c000000 05000000 02000000 18000000 01000000")
    assert wire.encode_image_header(wire.ImageHeader(6, 12, 5, 2, 24, 1)) == header
    assert wire.decode_image_header(header[4:]) == wire.ImageHeader(6, 12, 5, 2, 24, 1)


def test_padding_may_hold_anything() -> None:
    reply = bytearray(wire.encode_reply(wire.Reply((2.0,)))[4:])
    reply[-4:] = b"\xde\xad\xbe\xef"
    assert wire.decode_reply(bytes(reply)) == wire.Reply((2.0,))


def test_texts_of_a_western_windows_are_understood() -> None:
    reply = wire.encode_reply(wire.Reply(("50 #m",)))[4:].replace(b"#", b"\xb5")
    assert wire.decode_reply(reply).values == ("50 µm",)


# --- What a server refuses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("", wire.Refusal.TOO_SHORT),
        ("0300", wire.Refusal.TOO_SHORT),
        ("07000000", wire.Refusal.UNKNOWN_FUNCTION),
        ("02000000", wire.Refusal.UNKNOWN_FUNCTION),
        ("01000000 25010000", wire.Refusal.TOO_SHORT),
        ("03000000 00000000", wire.Refusal.WRONG_LENGTH),
        ("01000000 25010000 00000000 02000000 00000000", wire.Refusal.WRONG_LENGTH),
        ("01000000 25010000 00000000 fcffffff", wire.Refusal.WRONG_LENGTH),
        ("01000000 25010000 63000000 01000000 00000000", wire.Refusal.WRONG_LENGTH),
        ("04000000 00000000", wire.Refusal.TOO_SHORT),
    ],
)
def test_requests_that_are_refused(body: str, refusal: wire.Refusal) -> None:
    with pytest.raises(wire.RefusedError) as refused:
        wire.decode_request(packed(body))
    assert refused.value.refusal == refusal


# --- Laws ------------------------------------------------------------------------------------------------------------

words = st.integers(-(2**31), 2**31 - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
items = st.builds(wire.Item, numbers, texts)
requests = st.one_of(
    st.builds(wire.Command, words, st.lists(items, max_size=19).map(tuple)),
    st.builds(wire.GetImage, words, st.booleans()),
    st.just(wire.OkToRun()),
    st.builds(wire.PutImage, *[words] * 9),
)
replies = st.builds(wire.Reply, st.lists(st.one_of(numbers, texts), max_size=6).map(tuple), words, st.integers(0, 9))


@given(requests)
def test_requests_come_back(request: wire.Request) -> None:
    frame = wire.encode_request(request)
    assert wire.ints(frame)[0] == len(frame)
    assert wire.decode_request(frame[4:]) == request


@given(replies)
def test_replies_come_back(reply: wire.Reply) -> None:
    frame = wire.encode_reply(reply)
    assert wire.ints(frame)[0] == len(frame)
    assert wire.refusal_of(frame[4:]) is None
    assert wire.decode_reply(frame[4:]) == reply


@given(requests, st.data())
def test_damaged_requests_are_refused_or_are_another_request(request: wire.Request, data: st.DataObject) -> None:
    body = bytearray(wire.encode_request(request)[4:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        again = wire.decode_request(bytes(body))
    except wire.RefusedError:
        return
    assert isinstance(again, wire.Command | wire.GetImage | wire.PutImage | wire.OkToRun)


@given(
    st.one_of(st.binary(min_size=4, max_size=200), replies.map(lambda reply: wire.encode_reply(reply)[4:])), st.data()
)
def test_damaged_replies_are_errors_of_the_protocol_or_other_replies(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        reply = wire.decode_reply(bytes(damaged))
    except ProtocolError:
        return
    assert len(reply.values) <= wire.MAX_VALUES


@pytest.mark.parametrize("total", [-1, 0, 4, 7, wire.MAX_FRAME + 1, 2**31 - 1])
def test_impossible_lengths_are_errors(total: int) -> None:
    with pytest.raises(ProtocolError, match="Python socket"):
        wire.check_total(total)


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("MoveStageTo", [1.0], TypeError),
        ("MoveStageTo", [1.0, 2.0, 3.0, 4.0], TypeError),
        ("MoveStageTo", ["1", 2.0], TypeError),
        ("MoveStageTo", [None, 2.0], TypeError),
        ("MoveStageTo", [math.nan, 2.0], ValueError),
        ("MoveStageTo", [math.inf, 2.0], ValueError),
        ("MoveStageTo", [-1e9, 2.0], ValueError),
        ("MoveStageTo", [10**400, 2.0], ValueError),
        ("LoadCartridge", [1.0], TypeError),
        ("LoadCartridge", [2**31], ValueError),
        ("SetPersistentVar", ["a", 1], TypeError),
        ("SetPersistentVar", ["a", "b\0c"], ValueError),
        ("ReportStageXYZ", [1], TypeError),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: list[object], error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        commands()[name].items(arguments)


def test_every_command_says_what_it_takes_in_known_letters() -> None:
    assert len(commands()) >= 290
    for spec in commands().values():
        assert set(spec.arguments) <= set("SDIsdi")
        assert len(spec.arguments) < wire.MAX_ITEMS
        assert spec.arguments[: spec.required].isupper() or not spec.required


def test_what_exposes_never_counts_as_reading() -> None:
    assert not [spec.name for spec in commands().values() if spec.exposes and spec.reads_only]
    assert all(commands()[name].exposes for name in ("Record", "R", "View", "Montage", "AutoFocus", "Eucentricity"))
