"""`structloop grids scopes`: which microscopes can be reached, and what they can do."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from structloop.cli.grids_tables import plain_table, results_console
from structloop.cli.stopping import run_stoppable

if TYPE_CHECKING:
    from structloop.instruments.drivers import Driver
    from structloop.schema.acquisition import MicroscopeDescription, MicroscopeState

Scope = Annotated[
    str | None,
    typer.Option("--scope", help="Address of a microscope: connect to it and say how it is.", show_default=False),
]
_UNITS = {"um": "um", "ev": "eV", "deg": "deg", "s": "s"}
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `grids`."""
    app.command("scopes")(scopes)


def scopes(scope: Scope = None, as_json: AsJson = False) -> None:
    """List the microscope drivers with their tiers and capabilities, or connect to one microscope and say how it is.

    Tiers: observe (sees what others do), advise (may propose), command (moves the microscope). Looking at a microscope
    moves nothing.

    Examples:

      structloop grids scopes

      structloop grids scopes --scope "simulated://?seed=3&grids=4"

      structloop grids scopes --scope serialem://127.0.0.1:48888 --json
    """
    if scope is None:
        _list(as_json)
    else:
        _look(scope, as_json)


def _list(as_json: bool) -> None:
    from structloop.instruments.drivers import microscope_drivers

    drivers, broken = microscope_drivers.usable()
    if as_json:
        entries = [_driver_as_json(driver) for driver in drivers.values()]
        typer.echo(json.dumps({"drivers": entries, "broken": [_broken(plugin) for plugin in broken]}, indent=2))
        return
    console = results_console()
    table = plain_table(("driver", "tier", "at most", "what it is"))
    for driver in drivers.values():
        offered = ", ".join(sorted(driver.capabilities))
        table.add_row(f"[bold]{escape(driver.name)}[/]", driver.tier.value, offered, escape(driver.summary))
    console.print(table)
    for plugin in broken:
        console.print(f"[red]not usable:[/] {escape(plugin.reason)}")
    console.print("\nHow one of them is: structloop grids scopes --scope ADDRESS, such as simulated://")


def _broken(plugin: Any) -> dict[str, str]:
    return {"name": plugin.name, "distribution": plugin.distribution, "reason": plugin.reason}


def _driver_as_json(driver: "Driver") -> dict[str, Any]:
    return {
        "name": driver.name,
        "tier": driver.tier.value,
        "capabilities": sorted(driver.capabilities),
        "summary": driver.summary,
        "options": dict(driver.options),
    }


def _look(scope: str, as_json: bool) -> None:
    from structloop.instruments.drivers import open_microscope
    from structloop.instruments.microscope import Microscope

    microscope = open_microscope(scope)

    async def look(microscope: Microscope) -> tuple["MicroscopeDescription", list[str], "MicroscopeState", list[Any]]:
        await microscope.connect()
        try:
            loader = microscope.parts.autoloader
            slots = [] if loader is None else [slot.model_dump() for slot in await loader.slots()]
            capabilities = sorted(part.value for part in microscope.parts.capabilities())
            return microscope.description, capabilities, await microscope.state(), slots
        finally:
            await microscope.close()

    description, capabilities, state, slots = run_stoppable(look(microscope))
    if as_json:
        seen = {
            "microscope": description.model_dump(mode="json"),
            "capabilities": capabilities,
            "state": state.model_dump(mode="json"),
            "slots": slots,
        }
        typer.echo(json.dumps(seen, indent=2))
        return
    _print(description, capabilities, state, slots)


def _print(
    description: "MicroscopeDescription", capabilities: list[str], state: "MicroscopeState", slots: list[Any]
) -> None:
    console = results_console()
    kind = ", simulated" if description.simulated else ""
    console.print(
        f"[bold]{escape(description.name)}[/] answers (driver {escape(description.driver)}, "
        f"tier {description.tier.value}{kind})"
    )
    console.print(f"can: {', '.join(capabilities) or 'nothing yet'}")
    for name, value in state.model_dump(exclude_none=True).items():
        if name != "stage":
            console.print(_told(name, value))
    if state.stage is not None:
        stage = state.stage
        console.print(
            f"stage: x {stage.x_um:.2f} um, y {stage.y_um:.2f} um, z {stage.z_um:.2f} um, tilt {stage.tilt_deg:.2f} deg"
        )
    if slots:
        words = {True: "occupied", False: "empty", None: "unknown"}
        told = (f"{slot['number']} {words[slot['occupied']]}" for slot in slots)
        console.print(f"slots: {', '.join(told)}")
    if description.presets:
        table = plain_table(("preset", "magnification", "pixel, A", "image, px", "defocus, um"))
        for preset in description.presets:
            size = f"{preset.width_px} x {preset.height_px}"
            cells = (f"{preset.magnification:g}", f"{preset.pixel_size_angstrom:.4g}", size, f"{preset.defocus_um:g}")
            table.add_row(escape(preset.name), *cells)
        console.print(table)


def _told(name: str, value: Any) -> str:
    """One value of the microscope's state for people: units behind numbers, yes and no."""
    words = name.split("_")
    unit = next((told for ending, told in _UNITS.items() if words[-1] == ending), "")
    label = " ".join(words[:-1] if unit else words)
    match value:
        case bool():
            return f"{label}: {'yes' if value else 'no'}"
        case datetime():
            return f"{label}: {value:%Y-%m-%d %H:%M:%S} UTC"
        case tuple() | list():
            parts = (f"{part:g}" if isinstance(part, float) else escape(str(part)) for part in value)
            return f"{label}: {', '.join(parts)} {unit}".rstrip()
        case float():
            return f"{label}: {value:g} {unit}".rstrip()
        case dict():
            return f"{label}: {escape(', '.join(f'{key} {part}' for key, part in value.items()) or 'none')}"
        case _:
            return f"{label}: {escape(str(value))} {unit}".rstrip()


__all__ = ["register"]
