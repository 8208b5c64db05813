"""Writes the pages of the reference that are made from the code: settings, command line, errors, microscopes,
recovery, and the list of SerialEM's commands.

python scripts/write_reference_pages.py            # writes them below docs/reference
python scripts/write_reference_pages.py --check    # writes nothing; fails where a page is not what it should be
"""

import argparse
import builtins
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from structloop.core import errors
from structloop.core.errors import StructloopError
from structloop.core.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE, LayoutPattern, Settings
from structloop.instruments.drivers import microscope_drivers
from structloop.instruments.epu.mapping import MAPPING as EPU
from structloop.instruments.jadas.mapping import MAPPING as JADAS
from structloop.instruments.latitude.mapping import MAPPING as LATITUDE
from structloop.instruments.leginon.mapping import MAPPING as LEGINON
from structloop.instruments.mapping import FIT_MEANS, OPERATIONS, READING, Fit, VendorMapping
from structloop.instruments.recovery import DEFAULT_RECOVERY, KINDS_BY_CLASS, ActionClass, Certainty
from structloop.instruments.serialem.commands import CommandSpec, commands
from structloop.instruments.serialem.mapping import MAPPING as SERIALEM
from structloop.instruments.simulated.mapping import MAPPING as SIMULATED
from structloop.instruments.tem_scripting.mapping import MAPPING as TEM_SCRIPTING
from structloop.schema.acquisition import CAPABILITY_OF, Fault
from structloop.testing.serialem_handlers import behaviour

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
UNLISTED = {"help", "install_completion", "show_completion"}
MADE = "<!-- Made by scripts/write_reference_pages.py; change the code, not this page. -->"

SERIALEM_LIST = "<!-- The list is made by scripts/write_reference_pages.py; change the code, not what follows. -->"

SETTINGS_HEAD = f"""# Settings

{MADE}

Every setting may be given in three places. Later ones win:

1. `{SETTINGS_FILE}` in the home folder, in [TOML](https://toml.io);
2. an environment variable, `{ENVIRONMENT_PREFIX}` and the name in capitals;
3. the command line, where the command has such an option.

An unknown key is an error wherever it stands, with the nearest name as a hint. `structloop settings` prints the values
that hold.
"""

SETTINGS_EXAMPLE = """## An example

```toml
port = 8800
combination_rule = "noisy-or"
import_roots = ["/data/plates"]

[[crystal_layouts]]
name = "our-imager"
pattern = "{barcode}/{inspection}/{well}_{drop}_{modality}.jpg"
modalities = { VIS = "visible", UVF = "uv" }
um_per_pixel = 2.1
```

Lists and tables in environment variables are JSON: `STRUCTLOOP_IMPORT_ROOTS='["/data/plates"]'`.
"""

ERRORS_HEAD = f"""# Errors

{MADE}

Every error that structloop raises on purpose is a `StructloopError`, and each leaf is also the builtin that fits, so
that code which knows nothing of structloop still catches it sensibly. A message says what was wrong, in which file or
field, and what to do. The command line prints it as one line, `error: ...`, and ends with status 1 (2 for a wrong use
of the command line itself); `--debug` shows where it came from.

| error | also a | when |
|---|---|---|
"""

RECOVERY_HEAD = f"""# When a microscope fails

{MADE}

What a session does when an action fails depends on three things: what failed, what was being done, and whether the
microscope may have done it all the same. [Running a microscope](../explanations/running-a-microscope.md) says why.

Every way ends: in *done*, in *skip* (the action is given up for good, the journal says why, the session goes on), or
in *safe stop* (what goes on is aborted, the beam is off, the valves are closed, the session has ended). Retries are
counted for each action and each fault. When {{row}} actions of one class are given up one after the other, the session
ends as well.
"""

CLI_HEAD = f"""# Command line

{MADE}

`structloop --help`, and `--help` after any command, say the same in the terminal. Errors are one line on standard error
and exit status 1; a wrong use of the command line is status 2.
"""


MICROSCOPES_HEAD = f"""# Microscopes

{MADE}

What structloop asks of a microscope, and what its simulated one and the vocabularies of six programs have for it.
`structloop grids scopes` lists the drivers that are installed, yours among them; [write a microscope
driver](../how-to/write-a-microscope-driver.md) shows how to add one. Words of vendors are as their public documentation
and sources have them; where nothing public says how something is done, the tables say *unknown*.

Drivers for simulated microscopes, SerialEM and EPU work. Those for Leginon, TEM scripting, JADAS and Latitude are
beginnings: they reach the vendor's library and read where the stage is, and command nothing yet.
"""

MAPPINGS = (SIMULATED, SERIALEM, EPU, LEGINON, TEM_SCRIPTING, JADAS, LATITUDE)
MARKS = {Fit.DIRECT: "yes", Fit.COMPOSED: "(yes)", Fit.MISSING: "no", Fit.UNKNOWN: "?"}


def settings_page() -> str:
    """The page of all settings, with each one's variable, default and choices."""
    parts = [SETTINGS_HEAD]
    parts += [
        "## All settings\n",
        "| setting | variable | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
        parts.append(f"| `{name}` | `{variable}` | {_default(name, field)} | {_meaning(field)} |")
    parts += ["", "## Fields of `crystal_layouts`\n", "| field | default | meaning |", "|---|---|---|"]
    for name, field in LayoutPattern.model_fields.items():
        parts.append(f"| `{name}` | {_default(name, field)} | {_meaning(field)} |")
    return "\n".join([*parts, "", SETTINGS_EXAMPLE])


def _default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return "`~/.structloop`"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        return "`{}`"
    return f"`{json.dumps(value, default=str)}`"


def _meaning(field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|")
    choices = list(_choices(field.annotation))
    return f"{text} One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else text


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for item in get_args(annotation):
        if get_origin(annotation) is not Literal:
            yield from _parts(item)


def errors_page() -> str:
    """The page of the error tree."""
    return ERRORS_HEAD + "\n".join(_error_rows(StructloopError, 0)) + "\n"


def _error_rows(kind: type[Exception], depth: int) -> Iterator[str]:
    also = [base for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base]
    fitting = [base for base in also if not any(other is not base and issubclass(other, base) for other in also)]
    names = ", ".join(f"`{base.__name__}`" for base in fitting if base is not Exception)
    when = inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
    yield f"| {'&emsp;' * depth}`{kind.__name__}` | {names} | {when} |"
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in sorted(children, key=lambda item: inspect.getsourcelines(item)[1]):
        yield from _error_rows(child, depth + 1)


def cli_page() -> str:
    """The page of all commands, made from the command line itself."""
    from typer.main import get_command

    from structloop.cli.main import app

    parts = [CLI_HEAD]
    root: Any = get_command(app)
    waiting: list[tuple[Any, Any]] = [(root, root.make_context("structloop", [], resilient_parsing=True))]
    while waiting:
        command, context = waiting.pop(0)
        parts.append(_command(command, context))
        children = [command.get_command(context, name) for name in getattr(command, "commands", {})]
        waiting[:0] = [
            (child, child.make_context(child.name, [], parent=context, resilient_parsing=True))
            for child in children
            if not child.hidden
        ]
    return "\n".join(parts)


def _command(command: Any, context: Any) -> str:
    lines = [f"## `{context.command_path}`", "", inspect.cleandoc(command.help or "").replace("\b\n", ""), ""]
    lines += ["```text", " ".join(command.get_usage(context).removeprefix("Usage: ").split()), "```", ""]
    shown = [item for item in command.params if not getattr(item, "hidden", False) and item.name not in UNLISTED]
    if shown:
        lines += ["| argument or option | meaning |", "|---|---|", *(_parameter(item) for item in shown), ""]
    return "\n".join(lines)


def _parameter(item: Any) -> str:
    is_argument = item.param_type_name == "argument"
    names = [item.metavar or item.name.upper()] if is_argument else [*item.opts, *item.secondary_opts]
    text = " ".join((getattr(item, "help", None) or "").split()).replace("|", "\\|")
    choices = list(_choices(item.type_descriptor.annotation))
    if choices:
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    if not is_argument and item.default not in (None, False, [], ()) and not callable(item.default):
        text += f" Default: `{getattr(item.default, 'value', item.default)}`."
    if item.required and not is_argument:
        text += " Required."
    return f"| {', '.join(f'`{name}`' for name in names)} | {text} |"


def _choices(annotation: Any) -> Iterator[str]:
    for part in _parts(annotation):
        if get_origin(part) is Literal:
            yield from (str(value) for value in get_args(part))
        elif isinstance(part, type) and issubclass(part, Enum):
            yield from (str(member.value) for member in part)


def microscopes_page() -> str:
    """The page of vendors' vocabularies, made from the mapping tables and the drivers that are built in."""
    parts = [
        MICROSCOPES_HEAD,
        "## Drivers\n",
        "| driver | tier | at most | options of its address |",
        "|---|---|---|---|",
    ]
    parts += [_driver(mapping.driver) for mapping in MAPPINGS]
    parts += ["", "## At a glance\n", *(f"- {MARKS[fit]}: {meaning}" for fit, meaning in FIT_MEANS.items()), ""]
    parts.append(f"| operation | part | {' | '.join(f'[{one.title}](#{_anchor(one)})' for one in MAPPINGS)} |")
    parts.append("|---|---|" + "---|" * len(MAPPINGS))
    part_of = {**CAPABILITY_OF, **READING}
    for operation in OPERATIONS:
        marks = " | ".join(MARKS[mapping.row(operation).fit] for mapping in MAPPINGS)
        parts.append(f"| `{operation}` | {part_of[operation] or ''} | {marks} |")
    for mapping in MAPPINGS:
        parts += ["", f"## {mapping.title} {{#{_anchor(mapping)}}}", "", mapping.interface, "", f"{mapping.units}", ""]
        options = microscope_drivers.get(mapping.driver).options
        if options:
            parts += ["| option of its address | meaning |", "|---|---|"]
            parts += [*(f"| `{name}` | {_cell(meaning)} |" for name, meaning in options.items()), ""]
        parts += ["| operation | theirs | note |", "|---|---|---|"]
        for row in mapping.rows:
            theirs = ", ".join(f"`{name}`" for name in row.theirs) or f"*{row.fit}*"
            parts.append(f"| `{row.operation}` | {_cell(theirs)} | {_cell(row.note)} |")
    return "\n".join([*parts, ""])


def _driver(name: str) -> str:
    driver = microscope_drivers.get(name)
    return f"| `{name}` | {driver.tier} | {', '.join(sorted(driver.capabilities))} |"


def _anchor(mapping: VendorMapping) -> str:
    return f"driver-{mapping.driver}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def recovery_page() -> str:
    """The page of what a session does when an action fails, from the table that it follows."""
    table = DEFAULT_RECOVERY
    parts = [RECOVERY_HEAD.format(row=table.most_in_a_row), "| class | kinds of action |", "|---|---|"]
    parts += [f"| {group} | {', '.join(f'`{kind}`' for kind in kinds)} |" for group, kinds in KINDS_BY_CLASS.items()]
    for certainty in Certainty:
        parts += ["", f"## The action {certainty.replace('not done', 'was not done')}", ""]
        parts += [f"| fault | {' | '.join(ActionClass)} |", "|---" * (len(ActionClass) + 1) + "|"]
        for fault in Fault:
            ways = " | ".join(str(table.way(fault, group, certainty)) for group in ActionClass)
            parts.append(f"| `{fault}` | {ways} |")
    return "\n".join([*parts, ""])


def serialem_commands_page() -> str:
    """The page of SerialEM's commands: written by hand down to the list of all, which is made from the data."""
    page = FOLDER / "serialem-commands.md"
    head = page.read_text(encoding="utf-8").partition(SERIALEM_LIST)[0] if page.is_file() else ""
    rows = [_serialem_command(spec) for spec in sorted(commands().values(), key=lambda spec: spec.code)]
    table = ["| code | command | arguments | returns | fake |", "|---|---|---|---|---|", *rows]
    return head + SERIALEM_LIST + "\n\n" + "\n".join(table) + "\n"


def _serialem_command(spec: CommandSpec) -> str:
    returns = _cell(spec.returns.replace(";", "; "))
    notes = f" ({_cell(spec.notes)})" if spec.notes else ""
    return f"| {spec.code} | `{spec.name}` | {spec.arguments} | {returns}{notes} | {behaviour(spec.name)} |"


def pages() -> dict[str, str]:
    """Contents by file name."""
    return {
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "cli.md": cli_page(),
        "microscopes.md": microscopes_page(),
        "recovery.md": recovery_page(),
        "serialem-commands.md": serialem_commands_page(),
    }


def main() -> int:
    """Writes or checks the pages."""
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__ or ""))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    if arguments.check and stale:
        print(f"{', '.join(stale)}: not what the code says; run python scripts/write_reference_pages.py")
        return 1
    print(f"written: {', '.join(stale) or 'nothing, all are as they should be'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
