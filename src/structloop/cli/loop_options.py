"""Options that several commands of `structloop loop` take."""

import getpass
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Task = Annotated[str, typer.Option("--task", help="Review task: crystals/visible, crystals/uv or micrographs/quality.")]
MadeBy = Annotated[
    str | None, typer.Option("--by", help="Who does it. Default: the account's name.", show_default=False)
]
Why = Annotated[str, typer.Option("--why", help="Why, in a line.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
WithholdLeaks = Annotated[
    bool, typer.Option("--withhold-leaks", help="Leave out what leaks a test set, instead of stopping.")
]


def account(given: str | None) -> str:
    """The name given; else that of the account."""
    if given and given.strip():
        return given.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a user id without a name.
        return "local"


__all__ = ["AsJson", "MadeBy", "Seed", "Task", "Why", "WithholdLeaks", "account"]
