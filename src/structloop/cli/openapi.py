"""`structloop openapi`: the description of the API, for those who write clients."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("openapi", epilog="Example:\n\n  structloop openapi > openapi.json")(openapi)


def openapi() -> None:
    """Print the API's OpenAPI 3.1 description."""
    from structloop.api.openapi import openapi_text

    typer.echo(openapi_text(), nl=False)


__all__ = ["register"]
