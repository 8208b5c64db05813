"""`structloop models`: what networks there are, what they are good for, and moving them between machines."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from structloop.cli.context import settings_of
from structloop.schema.images import Modality

if TYPE_CHECKING:
    from structloop.models.registry import AnyCard, ModelRegistry

app = typer.Typer(help="Trained networks: list, show, import, export, fetch from the hub.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a model; see `models list`.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
NewName = Annotated[str | None, typer.Option("--name", help="Name it gets here. Default: its own.", show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a model of that name.")]
ForModality = Annotated[
    list[Modality] | None,
    typer.Option(
        "--modality", help="Images that a checkpoint without a card is for; may be repeated.", show_default=False
    ),
]
UvCheckpoint = Annotated[
    Path | None,
    typer.Option("--uv", help="Checkpoint for UV images, to make one model of it and PATH.", show_default=False),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base", help="Folder or hub id of the network below an adapter. Default: what it names.", show_default=False
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels", help="Order of the outputs, where the checkpoint does not say: crystal,other", show_default=False
    ),
]
Licence = Annotated[str | None, typer.Option("--licence", help="For the card of a checkpoint.", show_default=False)]
Threshold = Annotated[float, typer.Option("--alarm-threshold", min=0.0, max=1.0, help="For the card of a checkpoint.")]
Preprocessing = Annotated[
    Literal["file", "recipe"],
    typer.Option("--preprocessing", help="Follow a checkpoint's own preprocessing file, or its family's recipe."),
]
AllowDownload = Annotated[
    bool, typer.Option("--allow-download", help="Fetch the base of an adapter from the hub if it is not here.")
]


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List all models, the default one marked."""
    registry = _registry(context)
    cards, broken = registry.all_cards()
    if as_json:
        entries = [
            {
                "name": card.name,
                "task": card.task,
                "version": card.version,
                "family": card.family,
                "summary": card.summary,
                "modalities": [each.value for each in card.modalities] if card.task == "crystal-classification" else [],
                "licence": card.licence,
                "default": card.name == registry.default_name,
                "shipped": registry.is_shipped(card.name),
            }
            for card in cards
        ]
        faults = [{"name": each.name, "reason": each.reason} for each in broken]
        typer.echo(json.dumps({"models": entries, "broken": faults}, indent=2))
        return
    from structloop.cli.models_output import print_models

    print_models(cards, broken, registry.default_name)


@app.command()
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show a model's card: what it is for, how good it is, and where it fails. Its files are verified."""
    registry = _registry(context)
    card = registry.verify(name)
    if as_json:
        typer.echo(card.to_json(), nl=False)
        return
    from structloop.cli.models_output import print_card, print_picker_card

    if card.task == "particle-picking":
        print_picker_card(card, registry.folder(name))
        return
    print_card(card, registry.folder(name), is_default=name == registry.default_name)


@app.command("import")
def import_(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Folder or archive of a model, or folder of a checkpoint.", show_default=False
        ),
    ],
    name: NewName = None,
    replace: Replace = False,
    modality: ForModality = None,
    uv: UvCheckpoint = None,
    base: Base = None,
    labels: Labels = None,
    licence: Licence = None,
    alarm_threshold: Threshold = 0.5,
    preprocessing: Preprocessing = "file",
    allow_download: AllowDownload = False,
) -> None:
    """Take in a model exported by structloop, or a checkpoint of the AXIS recipe (LoRA adapter or merged).

    A checkpoint has no card: say with --modality what its images are, unless its name ends in vis or uv.
    """
    from structloop.models.classifiers.protocol import Checkpoint, ConversionRequest
    from structloop.models.registry import modalities_in_name, model_name_from

    registry = _registry(context)
    path = path.expanduser().absolute()
    if not path.is_dir() or (path / "card.json").is_file():
        given = {"--modality": modality, "--uv": uv, "--base": base, "--labels": labels, "--licence": licence}
        unused = [option for option, value in given.items() if value]
        if unused:
            raise typer.BadParameter("a model with a card says this itself", param_hint=unused[0])
        _tell(registry.import_(path, name=name, replace_existing=replace))
        return
    checkpoints = [Checkpoint(path, tuple(modality) if modality else modalities_in_name(path.name))]
    if uv is not None:
        checkpoints.append(Checkpoint(uv.expanduser().absolute(), (Modality.UV,)))
    request = ConversionRequest(
        name=name or model_name_from(path.name),
        checkpoints=tuple(checkpoints),
        origin=", ".join(f"checkpoint {each.folder.name}" for each in checkpoints),
        licence=licence,
        base=base,
        labels=_split(labels),
        alarm_threshold=alarm_threshold,
        preprocessing=preprocessing,
        allow_download=allow_download or settings_of(context).allow_download,
    )
    _tell(registry.convert(request, replace_existing=replace))


@app.command()
def export(
    context: typer.Context,
    name: Name,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET", help="New folder, or new .zip, .tar, .tar.gz or .tgz archive.", show_default=False
        ),
    ],
) -> None:
    """Write a model, its card and checksums included, to a folder or an archive that `models import` reads."""
    written = _registry(context).export(name, target.expanduser().absolute())
    typer.echo(f"wrote {written}")


@app.command()
def pull(
    context: typer.Context,
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="Repository on the Hugging Face hub.", show_default=False)
    ],
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Branch, tag or commit. Default: the newest.", show_default=False),
    ] = None,
    name: NewName = None,
    replace: Replace = False,
    modality: ForModality = None,
    base: Base = None,
    labels: Labels = None,
    licence: Licence = None,
    alarm_threshold: Threshold = 0.5,
    preprocessing: Preprocessing = "file",
) -> None:
    """Fetch a model from the Hugging Face hub (safetensors only), and the base below it where it is an adapter.

    This is the command that uses the network; nothing else fetches models unless told to.
    """
    from structloop.models.classifiers.protocol import ConversionRequest

    request = ConversionRequest(
        name="",
        checkpoints=(),
        origin="",
        licence=licence,
        base=base,
        labels=_split(labels),
        alarm_threshold=alarm_threshold,
        preprocessing=preprocessing,
    )
    _tell(
        _registry(context).pull(
            repository,
            revision=revision,
            name=name,
            modalities=tuple(modality) if modality else None,
            request=request,
            replace_existing=replace,
        )
    )


def _registry(context: typer.Context) -> "ModelRegistry":
    from structloop.models.registry import ModelRegistry

    settings = settings_of(context)
    return ModelRegistry(settings.home, default=settings.default_model)


def _split(labels: str | None) -> tuple[str, ...] | None:
    return tuple(label.strip().lower() for label in labels.split(",")) if labels else None


def _tell(card: "AnyCard") -> None:
    typer.echo(f"model {card.name} (version {card.version}) is ready: `structloop models show {card.name}`")


__all__ = ["app"]
