"""What the fake SerialEM may be told on its command line."""

import argparse

from structloop.testing.serialem_trouble import Trouble, trouble_option


def options(description: str | None, chunk_bytes: int) -> argparse.ArgumentParser:
    """The options of `python -m structloop.testing.serialem_server`.

    Args:
        description: What the program says of itself.
        chunk_bytes: How much of an image it sends before a handshake, unless told.
    """
    parser = argparse.ArgumentParser(prog="python -m structloop.testing.serialem_server", description=description)
    parser.add_argument("--port", type=_port, default=48888, help="port; 0 takes a free one (default 48888)")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1: only this machine)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulated microscope (default 0)")
    parser.add_argument("--grids", type=int, default=4, help="grids in the cassette (default 4)")
    parser.add_argument("--camera", type=int, default=1024, help="pixels along an edge of an image (default 1024)")
    parser.add_argument("--bench", action="store_true", help="a plain microscope with test patterns, no simulation")
    parser.add_argument("--slot", type=int, default=1, help="slot of the grid on the stage, 0 for none (default 1)")
    parser.add_argument("--chunk-bytes", type=_positive, default=chunk_bytes, help="of an image before a handshake")
    parser.add_argument("--row-alignment", type=_positive, default=1, help="pad rows of images to multiples of it")
    parser.add_argument("--slots-reply", type=int, choices=(1, 2, 6), default=2, help="values of ReportSlotStatus")
    parser.add_argument(
        "--trouble",
        type=trouble_option,
        action="append",
        default=[],
        metavar="TROUBLE[:REQUEST[:SKIP[:TIMES]]]",
        help=f"what goes wrong, such as stop-during:Record; may be given often: {', '.join(Trouble)}",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: 0 to 65535")
    return int(text)


__all__ = ["options"]
