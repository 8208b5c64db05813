"""The fake SerialEM, spoken to byte by byte as SerialEM's own module does, and by clients that misbehave."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structloop.instruments.serialem import wire
from structloop.instruments.serialem.commands import commands
from structloop.testing import serialem_client
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_handlers import REGISTERED
from structloop.testing.serialem_program import _HANDLERS, ALIASES, NOTHING_TO_DO, FakeSerialEM
from structloop.testing.serialem_server import Disturbance, SerialEMServer, Trouble, main, serving, trouble_of


class Module:
    """What SerialEM's own module does with its socket, as far as this package knows."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.link = self._open()

    def _open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def send(self, data: bytes) -> None:
        self.link.sendall(data)

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.link.recv(count - len(data))
            if not piece:
                raise ConnectionResetError
            data += piece
        return data

    def frame(self) -> bytes:
        return self.exactly(wire.ints(self.exactly(4))[0] - 4)

    def ask(self, request: wire.Request) -> bytes:
        self.send(wire.encode_request(request))
        return self.frame()

    def run(self, name: str, *arguments: object) -> wire.Reply:
        spec = commands()[name]
        return wire.decode_reply(self.ask(wire.Command(spec.code, spec.items(arguments))))

    def control(self) -> bool:
        return wire.decode_ok_to_run(self.ask(wire.OkToRun()))

    def reconnect(self) -> None:
        self.link.close()
        self.link = self._open()

    def run_as_the_module_does(self, name: str, *arguments: object) -> wire.Reply:
        """It sends again when the connection closes within 200 ms."""
        try:
            return self.run(name, *arguments)
        except ConnectionError:
            self.reconnect()
            return self.run(name, *arguments)


@pytest.fixture
def server() -> Iterator[SerialEMServer]:
    with serving(FakeSerialEM(BenchMicroscope()), header_pause_s=0.02, handshake_timeout_s=2.0) as running:
        yield running


@pytest.fixture
def module(server: SerialEMServer) -> Iterator[Module]:
    client = Module(server.port)
    yield client
    client.link.close()


def bench(server: SerialEMServer) -> BenchMicroscope:
    assert isinstance(server.program.microscope, BenchMicroscope)
    return server.program.microscope


# --- Control ---------------------------------------------------------------------------------------------------------


def test_control_is_given_once_and_ends_with_exit(module: Module) -> None:
    assert [module.control(), module.control()] == [True, False]
    assert module.run("Exit").error == wire.EXIT_WORD
    assert module.control()
    assert module.run("Exit", 1.0).error == wire.EXIT_QUIETLY_WORD


def test_a_command_without_asking_takes_control(server: SerialEMServer, module: Module) -> None:
    assert module.run("ReportStageXYZ").values == (0.0, 0.0, 0.0)
    assert not module.control()
    assert server.control.on


def test_a_new_connection_replaces_the_old_one_and_control_stays_on(server: SerialEMServer, module: Module) -> None:
    assert module.control()
    second = Module(server.port)
    assert not second.control()
    assert second.run("ReportTiltAngle").values == (0.0,)
    with pytest.raises(ConnectionError):
        module.run("ReportTiltAngle")
    second.link.close()


def test_a_client_that_leaves_takes_its_control_with_it(module: Module) -> None:
    for _ in range(5):
        assert module.control()
        module.reconnect()
    assert module.control()


def test_a_stop_during_a_command_is_told_once_more_to_who_does_not_ask(server: SerialEMServer, module: Module) -> None:
    server.disturb(Trouble.STOP_DURING, "View", times=3)
    assert module.run("View").error == wire.STOP_WORD
    assert wire.refusal_of(module.ask(wire.Command(293))) == wire.Refusal.STOP_PENDING
    assert module.run("ReportStageXYZ").error == 0
    assert module.run("View").error == wire.STOP_WORD
    assert module.control()
    assert module.run("ReportStageXYZ").error == 0
    assert module.run("View").error == wire.STOP_WORD
    module.reconnect()
    assert module.run("ReportStageXYZ").error == 0


def test_a_busy_serialem_refuses(server: SerialEMServer, module: Module) -> None:
    server.control.busy = True
    assert not module.control()
    assert wire.refusal_of(module.ask(wire.Command(293))) == -9


# --- Commands --------------------------------------------------------------------------------------------------------


def test_numbers_are_taken_from_the_doubles(server: SerialEMServer, module: Module) -> None:
    items = (wire.Item(2.0, "nonsense"),)
    module.ask(wire.Command(commands()["LoadCartridge"].code, items))
    assert bench(server).slot == 2


def test_arguments_of_another_version_are_taken(server: SerialEMServer, module: Module) -> None:
    extra = tuple(wire.number_item(value) for value in (1.0, 2.0, 3.0, 4.0, 5.0))
    assert wire.decode_reply(module.ask(wire.Command(286, extra))).error == 0
    assert (bench(server).stage.x_um, bench(server).stage.z_um) == (1.0, 3.0)
    not_given = (wire.number_item(7.0), wire.number_item(8.0), wire.number_item(-1e8))
    assert wire.decode_reply(module.ask(wire.Command(286, not_given))).error == 0
    assert (bench(server).stage.x_um, bench(server).stage.z_um) == (7.0, 3.0)


def test_errors_are_word_1_with_a_message(module: Module) -> None:
    for name, arguments in [("LoadCartridge", (9,)), ("MoveStageTo", (5000.0, 0.0)), ("GetVariable", ("unknown",))]:
        reply = module.run(name, *arguments)
        assert (reply.error, reply.return_value) == (1, 0)
        assert isinstance(reply.values[0], str)
    assert wire.decode_reply(module.ask(wire.Command(286))).error == 1
    assert wire.decode_reply(module.ask(wire.Command(9999))).error == 1


def test_an_image_shift_over_the_limit_returns_1_and_is_not_done(module: Module) -> None:
    assert module.run("ImageShiftByMicrons", 3.0, 4.0).values == (0.0,)
    assert module.run("ImageShiftByMicrons", 100.0, 0.0).values == (1.0,)
    assert module.run("ReportSpecimenShift").values == pytest.approx((3.0, 4.0))


@pytest.mark.parametrize(("vendor", "count"), [(1, 1), (2, 2), (6, 6)])
def test_slots_are_told_as_vendors_do(server: SerialEMServer, module: Module, vendor: int, count: int) -> None:
    server.program.slots_reply = vendor
    assert len(module.run("ReportSlotStatus", 2).values) == count
    assert len(module.run("ReportSlotStatus", 9).values) == 1


def test_every_command_answers_or_says_why_not(module: Module) -> None:
    sample: dict[str, object] = {"S": "A", "D": 1.0, "I": 1}
    refused = []
    for spec in commands().values():
        reply = module.run(spec.name, *(sample[letter] for letter in spec.arguments[: spec.required]))
        if reply.error == 1:
            refused.append(spec.name)
            assert reply.values
    assert len(commands()) - len(refused) >= 225, refused


def test_handlers_are_of_commands_that_there_are() -> None:
    assert REGISTERED
    assert not set(_HANDLERS) - set(commands())
    assert set(ALIASES.values()) <= set(_HANDLERS)
    assert not NOTHING_TO_DO - set(commands())
    assert not NOTHING_TO_DO & set(_HANDLERS)


KEPT: list[tuple[str, tuple[object, ...], str, tuple[object, ...], tuple[wire.Value, ...]]] = [
    ("SetSpotSize", (6,), "ReportSpotSize", (), (6.0,)),
    ("SetProbeMode", ("nano",), "ReportProbeMode", (), (0.0,)),
    ("SetPercentC2", (50.0,), "ReportPercentC2", (), (50.0, 0.5)),
    ("IncPercentC2", (2.0,), "ReportPercentC2", (), (90.0, 0.9)),
    ("SetIlluminatedArea", (0.8,), "ReportIlluminatedArea", (), (0.8,)),
    ("SetBeamShift", (1.0, 2.0), "ReportBeamShift", (), (1.0, 2.0)),
    ("MoveBeamByMicrons", (1.0, -1.0), "ReportBeamShift", (), (1.0, -1.0)),
    ("SetBeamTilt", (0.1, 0.2), "ReportBeamTilt", (), (0.1, 0.2)),
    ("SetUserSetting", ("AutofocusOffset", 2.5), "ReportUserSetting", ("AutofocusOffset",), (2.5,)),
    ("SetExposure", ("R", 2.5, 0.5), "ReportExposure", ("R",), (2.5, 0.5)),
    ("SetBinning", ("V", 2.0), "ReportBinning", ("V",), (2.0,)),
    ("SetCameraArea", ("R", "H"), "ReportCameraSetArea", ("R",), (32.0, 24.0, 16.0, 48.0, 12.0, 36.0)),
    ("SetK2ReadMode", ("R", 2), "ReportReadMode", ("R",), (2.0,)),
    ("SetAbsoluteFocus", (0.498,), "ReportAbsoluteFocus", (), (0.498,)),
    ("SetStandardFocus", (0.498,), "ReportDefocus", (), (-2.0,)),
]


@pytest.mark.parametrize(("sets", "values", "reports", "of", "told"), KEPT)
def test_what_is_set_is_told(
    module: Module,
    sets: str,
    values: tuple[object, ...],
    reports: str,
    of: tuple[object, ...],
    told: tuple[wire.Value, ...],
) -> None:
    assert module.run(reports, *of).values != pytest.approx(told)
    assert module.run(sets, *values).error == 0
    assert module.run(reports, *of).values == pytest.approx(told)


def test_nothing_that_a_report_tells_is_set_without_effect(module: Module) -> None:
    reported = {name.removeprefix("Report") for name in commands() if name.startswith("Report")}
    assert not {name for name in NOTHING_TO_DO if name.removeprefix("Set") in reported}
    for name, arguments in [
        ("SetStageBAxis", (1.0,)),
        ("SetObjFocus", (3.0,)),
        ("ReadFile", (0, "C")),
        ("Call", ("a",)),
    ]:
        reply = module.run(name, *arguments)
        assert (reply.error, reply.values) == (1, (f"{name} is not simulated",))


def test_beam_tilt_camera_sets_and_apertures_are_restored(module: Module) -> None:
    assert module.run("RestoreBeamTilt").error == 1
    for name, arguments in [("SetBeamTilt", (1.0, 2.0)), ("SaveBeamTilt", ()), ("SetBeamTilt", (3.0, 4.0))]:
        module.run(name, *arguments)
    module.run("RestoreBeamTilt")
    assert module.run("ReportBeamTilt").values == (1.0, 2.0)
    for letter in "RV":
        module.run("SetBinning", letter, 4.0)
    module.run("RestoreCameraSet", "R")
    assert [module.run("ReportBinning", letter).values for letter in "RV"] == [(1.0,), (4.0,)]
    module.run("RestoreCameraSet")
    assert module.run("ReportBinning", "V").values == (1.0,)
    for name, arguments in [("SetApertureSize", (2, 70)), ("RemoveAperture", (2,)), ("ReInsertAperture", (2,))]:
        assert module.run(name, *arguments).error == 0
    assert module.run("ReportApertureSize", 2).values == (70.0,)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("CameraToStageMatrix", (999,)),
        ("StageToISMatrix", (-1,)),
        ("ReportMaxImageShift", (999,)),
        ("SetSpotSize", (0,)),
        ("SetProbeMode", ("pico",)),
        ("SetPercentC2", (101.0,)),
        ("SetIlluminatedArea", (0.0,)),
        ("SetExposure", ("R", 0.0)),
        ("SetBinning", ("X", 1.0)),
        ("SetBinning", ("R", 0.0)),
        ("SetCameraArea", ("R", "Z")),
        ("SetK2ReadMode", ("R", 3)),
        ("SelectCamera", (2,)),
    ],
)
def test_impossible_values_are_ordinary_errors(module: Module, name: str, arguments: tuple[object, ...]) -> None:
    assert module.run(name, *arguments).error == 1
    assert module.run("ReportTiltAngle").error == 0


def test_matrices_are_those_of_the_magnification_asked_for(server: SerialEMServer, module: Module) -> None:
    count = len({preset.magnification for preset in bench(server).description.presets})
    scales = [abs(np.linalg.det(np.reshape(module.run("CameraToStageMatrix", at).values, (2, 2)))) for at in (1, count)]
    assert scales[0] > 1e4 * scales[1]
    assert module.run("CameraToStageMatrix", count + 1).error == 1


def test_an_empty_autoloader_stage_has_nothing_to_unload(server: SerialEMServer, module: Module) -> None:
    reply = module.run("UnloadCartridge")
    assert (reply.error, reply.values) == (1, ("There is no cartridge on the stage to unload",))
    module.run("LoadCartridge", 2)
    assert module.run("UnloadCartridge").error == 0
    assert bench(server).slot is None


def test_the_tilt_axis_offset_has_six_values(module: Module) -> None:
    assert len(module.run("ReportTiltAxisOffset").values) == 6


def test_an_empty_text_stands_for_a_number_that_is_not_given(server: SerialEMServer, module: Module) -> None:
    by = commands()["MoveStage"].code
    items = (wire.number_item(1.0), wire.number_item(2.0), wire.Item(7.0, ""))
    assert wire.decode_reply(module.ask(wire.Command(by, items))).error == 0
    assert (bench(server).stage.x_um, bench(server).stage.z_um) == (1.0, 0.0)
    reply = wire.decode_reply(module.ask(wire.Command(by, (wire.number_item(1.0), wire.Item(2.0, "")))))
    assert (reply.error, reply.values) == (1, ("The command MoveStage needs all its values",))


# --- Images ----------------------------------------------------------------------------------------------------------


def test_the_pixels_come_after_a_pause(server: SerialEMServer, module: Module) -> None:
    module.run("Record")
    server.header_pause_s = 0.2
    module.send(wire.encode_request(wire.GetImage(0)))
    received = module.link.recv(1024)
    assert len(received) == 32, "SerialEM's module would lose pixels that come with the header"
    header = wire.decode_image_header(received[4:])
    assert (header.mode, header.width, header.height, header.size, header.chunks) == (6, 64, 48, 64 * 48 * 2, 1)
    pixels = np.frombuffer(module.exactly(header.size), "<u2")
    assert pixels.std() > 0


def test_chunks_wait_for_handshakes(server: SerialEMServer, module: Module) -> None:
    server.chunk_bytes, server.row_alignment = 2000, 100
    module.run("View")
    header = wire.decode_image_header(module.ask(wire.GetImage(0)))
    assert (header.row_bytes, header.size, header.chunks) == (200, 9600, 5)
    data = module.exactly(1920)
    module.link.settimeout(0.05)
    with pytest.raises(TimeoutError):
        module.link.recv(1)
    module.link.settimeout(5)
    for _ in range(4):
        module.send(wire.encode_handshake())
        data += module.exactly(1920)
    assert len(data) == 9600
    assert module.run("ReportTiltAngle").values == (0.0,)


def test_empty_buffers_have_no_bytes(module: Module) -> None:
    for request in (wire.GetImage(5), wire.GetImage(0, True), wire.GetImage(-1), wire.GetImage(10**6)):
        assert wire.decode_image_header(module.ask(request)).size == 0


def test_images_are_put_and_come_back(module: Module) -> None:
    data = bytes(range(24))
    assert module.ask(wire.PutImage(16, 4, 2, 24, 3, 3)) == bytes(4)
    module.send(data)
    header = wire.decode_image_header(module.ask(wire.GetImage(3)))
    assert (header.mode, header.width, header.height, header.row_bytes) == (16, 4, 2, 12)
    assert module.exactly(24) == data


@pytest.mark.parametrize("size", [0, -5, 2**31 - 1])
def test_images_of_impossible_sizes_are_refused(module: Module, size: int) -> None:
    assert wire.refusal_of(module.ask(wire.PutImage(0, 4, 2, size, 3, 3))) == -2


# --- Trouble on demand -----------------------------------------------------------------------------------------------


def test_a_module_that_sends_again_is_answered(server: SerialEMServer, module: Module) -> None:
    assert module.control()
    server.disturb(Trouble.DROP_BEFORE, "ReportStageXYZ")
    assert module.run_as_the_module_does("ReportStageXYZ").values == (0.0, 0.0, 0.0)
    server.disturb(Trouble.DROP_AFTER, "MoveStage")
    assert module.run_as_the_module_does("MoveStage", 1.0, 0.0).error == 0
    assert bench(server).stage.x_um == 2.0, "done twice, as SerialEM would"


@pytest.mark.parametrize(
    ("trouble", "images"), [(Trouble.DROP_BEFORE, 0), (Trouble.DROP_AFTER, 1), (Trouble.HALF_REPLY, 1)]
)
def test_connections_die_before_or_after_the_deed(
    server: SerialEMServer, module: Module, trouble: Trouble, images: int
) -> None:
    server.disturb(trouble, "Record")
    with pytest.raises(ConnectionError):
        module.run("Record")
    assert bench(server).images == images
    module.reconnect()
    assert module.control()


def test_stop_comes_before_or_during_a_command(server: SerialEMServer, module: Module) -> None:
    server.disturb(Trouble.STOP_DURING, "View")
    server.disturb(Trouble.STOP_BEFORE, "Trial")
    assert module.run("View") == wire.Reply(error=wire.STOP_WORD)
    assert module.control()
    assert wire.refusal_of(module.ask(wire.Command(commands()["Trial"].code))) == -10
    assert module.control()
    assert bench(server).images == 1, "the command during which STOP was pressed"


def test_trouble_that_is_told_in_replies_comes_at_commands_only(server: SerialEMServer, module: Module) -> None:
    for trouble in (Trouble.STOP_DURING, Trouble.FAIL):
        with pytest.raises(ValueError, match="commands only"):
            server.disturb(trouble, "GetBufferImage")
        server.disturb(trouble)
        module.control()
        assert wire.decode_image_header(module.ask(wire.GetImage(5))).size == 0
        assert module.run("ReportTiltAngle").error in (1, wire.STOP_WORD)
        module.control()
        assert module.run("ReportTiltAngle").error == 0


class Slow(FakeSerialEM):
    """Takes a moment for every command but those that report."""

    done = 0

    async def run(self, request: wire.Command) -> wire.Reply:
        if request.code == commands()["Record"].code:
            await asyncio.sleep(0.3)
            self.done += 1
        return await super().run(request)


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_client_that_leaves_during_a_command_takes_its_control_with_it(abruptly: bool) -> None:
    with serving(Slow(BenchMicroscope())) as server:
        module = Module(server.port)
        assert module.control()
        module.send(wire.encode_request(wire.Command(commands()["Record"].code)))
        time.sleep(0.1)
        if abruptly:
            module.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        module.reconnect()
        assert module.control()
        module.link.close()


def test_requests_too_short_for_a_function_are_refused_and_the_connection_stays(module: Module) -> None:
    for total in range(4, 8):
        module.send(struct.pack("<i", total) + bytes(total - 4))
        assert wire.refusal_of(module.frame()) == wire.Refusal.TOO_SHORT
    assert module.control()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_command_is_completed_whatever_becomes_of_its_client_and_the_next_one_waits(leaves: bool) -> None:
    program = Slow(BenchMicroscope())
    with serving(program, header_pause_s=0.0) as server:
        first = Module(server.port)
        assert first.control()
        first.send(wire.encode_request(wire.Command(commands()["Record"].code)))
        while "Record" not in server.requests:
            time.sleep(0.005)
        if leaves:
            first.link.close()
        second = Module(server.port)
        assert program.done == 0
        assert second.control() is leaves, "control of one that was replaced stays on"
        assert program.done == 1
        assert second.run("ReportCurrentBuffer").values == ("A", 1.0)
        if not leaves:
            assert first.link.recv(100) == b"", "its reply is discarded"
            first.link.close()
        second.link.close()


def test_closing_the_server_does_not_wait_for_a_command() -> None:
    class Stuck(FakeSerialEM):
        async def run(self, request: wire.Command) -> wire.Reply:
            await asyncio.sleep(1000)
            raise AssertionError(request)

    with serving(Stuck(BenchMicroscope())) as server:
        module = Module(server.port)
        module.send(wire.encode_request(wire.Command(293)))
        while not server.requests:
            time.sleep(0.005)
    module.link.close()


def test_trouble_is_told_on_the_command_line() -> None:
    assert trouble_of("stop-during:Record") == Disturbance(Trouble.STOP_DURING, "Record")
    assert trouble_of("drop-after") == Disturbance(Trouble.DROP_AFTER)
    assert trouble_of("fail:View:2:3") == Disturbance(Trouble.FAIL, "View", 2, 3)
    for text in ("", "fire", "fail:Fly", "fail:OKtoRun", "fail:View:x", "fail:View:1:2:3"):
        with pytest.raises(ValueError, match=r".+"):
            trouble_of(text)


def test_silence_ends_when_the_client_leaves(server: SerialEMServer, module: Module) -> None:
    for trouble in (Trouble.SILENT_BEFORE, Trouble.SILENT_AFTER):
        server.disturb(trouble, "Record")
        module.send(wire.encode_request(wire.Command(commands()["Record"].code)))
        module.link.settimeout(0.05)
        with pytest.raises(TimeoutError):
            module.link.recv(1)
        module.reconnect()
        assert module.control()


# --- Hostile clients -------------------------------------------------------------------------------------------------


@contextmanager
def still_serving(server: SerialEMServer) -> Iterator[Module]:
    module = Module(server.port)
    yield module
    module.link.close()
    after = Module(server.port)
    assert after.run("ReportTiltAngle").values == (0.0,)
    after.link.close()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<i", 2**31 - 1),
        struct.pack("<i", -1),
        struct.pack("<i", 0),
        struct.pack("<i", 5) + b"x",
        struct.pack("<iii", 12, 1, 1),
        b"GET / HTTP/1.1\r\n\r\n",
        wire.frame([1, 293, 19, 100], array=b"\xff" * 400),
        wire.frame([1, 286, 2, 9], array=bytes(36)),
        wire.frame([4, -(2**31), 1]),
        wire.encode_request(wire.Command(65, (wire.Item(float("nan"), "nan"),))),
        wire.encode_request(wire.Command(221, (wire.Item(1e300, "1"), wire.Item(0, "min")))),
        wire.encode_request(wire.Command(139, (wire.Item(1e9), wire.Item(1e9), wire.Item(0, "a")))),
        wire.encode_request(wire.Command(109, (wire.Item(3), wire.Item(3)))),
    ],
)
def test_bad_requests_are_answered_or_cut_and_the_next_client_is_served(server: SerialEMServer, data: bytes) -> None:
    with still_serving(server) as module:
        module.send(data)
        module.link.settimeout(0.3)
        try:
            module.link.recv(4096)
        except (TimeoutError, ConnectionError):
            return


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.lists(st.integers(-(2**31), 2**31 - 1), max_size=12).map(wire.frame),
            st.tuples(st.sampled_from(sorted(commands())), st.lists(st.floats(), max_size=6)).map(
                lambda told: wire.encode_request(
                    wire.Command(commands()[told[0]].code, tuple(wire.Item(number, "A") for number in told[1]))
                )
            ),
        ),
        max_size=4,
    )
)
def test_any_bytes_leave_the_server_serving(server: SerialEMServer, sent: list[bytes]) -> None:
    with still_serving(server) as module:
        try:
            for data in sent:
                module.send(data)
        except ConnectionError:
            return


def test_a_client_that_never_reads_is_replaced(server: SerialEMServer) -> None:
    bench(server).width = bench(server).height = 2048
    with still_serving(server) as module:
        module.run("View")
        module.send(wire.encode_request(wire.GetImage(0)))


# --- The two commands ------------------------------------------------------------------------------------------------


def lines_of(port: int, *lines: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "PY_SERIALEM_PORT": str(port), "PY_SERIALEM_IP": "127.0.0.1"}
    command = [sys.executable, "-m", "structloop.testing.serialem_client"]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, env=environment, timeout=50, check=True
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_calls_are_told_and_answered_line_by_line(server: SerialEMServer) -> None:
    image = {"shape": [2, 3], "itemsize": 2, "format": "H", "pixels_hex": "010002000300040005000600"}
    put = json.dumps({"call": "PutImageInBuffer", "args": [image, "C"]})
    answers = lines_of(
        server.port,
        '{"call": "MoveStageTo", "args": [10.5, -20]}',
        '{"call": "ReportStageXYZ", "args": []}',
        '{"call": "ReportTiltAngle"}',
        '{"call": "ReportCameraName", "args": [1]}',
        put,
        '{"call": "bufferImage", "args": ["C"]}',
        '{"call": "bufferImage", "args": ["D"]}',
        '{"call": "bufferImage", "args": ["ZZ"]}',
        '{"call": "PutImageInBuffer", "args": [{"shape": [2, 3], "format": "H", "pixels_hex": "00"}, "C"]}',
        "{",
        "[]",
        '{"call": "NoSuchCommand", "args": []}',
        '{"call": "MoveStageTo", "args": ["far", 1]}',
        '{"call": "MoveStageTo", "args": 5}',
        '{"call": "Exit", "args": []}',
        '{"call": "Exit", "args": [1]}',
        '{"call": "ReportTiltAngle", "args": []}',
    )
    returned = [answer.get("returned", "raised") for answer in answers]
    assert returned[:6] == [None, [10.5, -20.0, 0.0], 0.0, "bench camera", None, image]
    assert returned[6:15] == ["raised"] * 9
    assert returned[15:] == [None, 0.0]
    types = [answer["raised"]["type"] for answer in answers[6:15]]
    assert types == [
        "InstrumentFaultError",
        "ValueError",
        "ValueError",
        "ValueError",
        "TypeError",
        "NotCapableError",
        "TypeError",
        "TypeError",
        "ScriptExitedError",
    ]
    assert all(answer["raised"]["message"] for answer in answers[6:15])


def test_local_calls_send_no_command(server: SerialEMServer) -> None:
    answers = lines_of(
        server.port,
        '{"call": "ReportTiltAngle"}',
        '{"call": "ConnectToSEM", "args": []}',
        '{"call": "ReturnAllValuesAsTuples", "args": [1]}',
        '{"call": "ReportTiltAngle"}',
        '{"call": "ReportCameraName", "args": [1]}',
        '{"call": "ReportStageXYZ"}',
        '{"call": "SetBufferImageTimeout", "args": [0.5]}',
        '{"call": "ReportNumModuleFuncs"}',
        '{"call": "ConnectToSEM", "args": ["far"]}',
        '{"call": "ConnectToSEM", "args": [65536]}',
        '{"call": "ConnectToSEM", "args": [1]}',
        '{"call": "SetBufferImageTimeout", "args": [0]}',
    )
    returned = [answer.get("returned", "raised") for answer in answers]
    assert returned == [0.0, None, None, [0.0], "bench camera", [0.0] * 3, None, 836, *["raised"] * 4]
    assert server.requests == ["OKtoRun", "ReportTiltAngle", "ReportTiltAngle", "ReportCameraName", "ReportStageXYZ"]


@pytest.mark.parametrize("told", [(), ("127.0.0.1",)])
def test_a_server_elsewhere_is_told_by_a_call(server: SerialEMServer, told: tuple[str, ...]) -> None:
    connect = json.dumps({"call": "ConnectToSEM", "args": [server.port, *told]})
    assert lines_of(1, connect, '{"call": "ReportTiltAngle"}') == [{"returned": None}, {"returned": 0.0}]


def test_a_script_that_has_control_does_not_ask_for_it(server: SerialEMServer) -> None:
    answers = lines_of(
        server.port,
        '{"call": "ScriptIsInitialized", "args": []}',
        '{"call": "ReportTiltAngle", "args": []}',
        '{"call": "Exit", "args": [1]}',
        '{"call": "ReportTiltAngle", "args": []}',
    )
    assert answers == [{"returned": None}, {"returned": 0.0}, {"returned": None}, {"returned": 0.0}]
    assert server.requests == ["ReportTiltAngle", "Exit", "OKtoRun", "ReportTiltAngle"]


def test_lines_that_are_no_text_are_told(server: SerialEMServer) -> None:
    command = [sys.executable, "-m", "structloop.testing.serialem_client"]
    done = subprocess.run(command, input=b"\xff\xfe\n\n{\r\n", capture_output=True, timeout=50, check=True)
    messages = [json.loads(line)["raised"]["message"] for line in done.stdout.splitlines()]
    assert len(messages) == 3
    assert all(message.startswith("the line is not JSON: ") for message in messages)
    assert "utf-8" in messages[0]
    assert "line 2" not in "".join(messages)


def test_without_a_server_every_line_says_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        answers = lines_of(unused.getsockname()[1], '{"call": "Record"}', '{"call": "Nonsense"}')
    assert [answer["raised"]["type"] for answer in answers] == ["InstrumentConnectionError", "NotCapableError"]


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "-1", "4.5"])
def test_a_port_that_is_none_is_told(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PY_SERIALEM_PORT", port)
    assert serialem_client.main([]) == 2
    assert "PY_SERIALEM_PORT" in capsys.readouterr().err


def test_the_server_serves_alone_and_ends_when_told() -> None:
    command = [sys.executable, "-u", "-m", "structloop.testing.serialem_server", "--port", "0", "--bench"]
    command += ["--row-alignment", "100", "--chunk-bytes", "2000", "--slots-reply", "6", "--trouble", "fail:View"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("fake SerialEM listening on 127.0.0.1:")
        module = Module(int(said.rpartition(":")[2]))
        assert module.control()
        assert module.run("Record").error == 0
        assert [module.run("View").error for _ in range(2)] == [1, 0]
        assert len(module.run("ReportSlotStatus", 1).values) == 6
        header = wire.decode_image_header(module.ask(wire.GetImage(0)))
        assert (header.row_bytes, header.chunks) == (200, 5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
        module.link.close()


def test_a_port_that_is_taken_is_told(server: SerialEMServer) -> None:
    command = [sys.executable, "-m", "structloop.testing.serialem_server", "--port", str(server.port), "--bench"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("port", ["65536", "-1", "4.5", "", "x"])
def test_a_port_that_cannot_be_is_told(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--port={port}", "--bench"])
    assert f"'{port}' is not a port" in capsys.readouterr().err
