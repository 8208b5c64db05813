"""Whether the server is well, and what this installation is."""

from datetime import UTC, datetime
from typing import Literal, cast

from fastapi import APIRouter

from structloop import __version__
from structloop.api.dependencies import (
    AnnotatorDependency,
    DatabaseDependency,
    ModelsDependency,
    SettingsDependency,
)
from structloop.api.interface import interface_is_built
from structloop.api.shapes import Health, Info
from structloop.core.errors import ModelError
from structloop.schema.crystals import CombinationRule

router = APIRouter(tags=["system"])


@router.get("/health", operation_id="get_health", summary="Whether the server is well")
def get_health(database: DatabaseDependency) -> Health:
    """Answers as long as the server runs; says what it runs on."""
    return Health(
        status="ok",
        version=__version__,
        time=datetime.now(UTC),
        database=cast(Literal["sqlite", "postgresql"], database.dialect),
        interface_built=interface_is_built(),
    )


@router.get("/info", operation_id="get_info", summary="What this installation is")
def get_info(settings: SettingsDependency, models: ModelsDependency, annotator: AnnotatorDependency) -> Info:
    """The default model with its caution, the combination rules, and whether the browser may import."""
    try:
        card = models.card(settings.default_model)
    except ModelError:
        # Missing or broken: the interface still has to start, and shows that there is no default.
        version, caution = None, None
    else:
        version, caution = card.version, " ".join(card.limitations) or card.training.description
    return Info(
        version=__version__,
        default_model=settings.default_model,
        default_model_version=version,
        default_model_caution=caution,
        combination_rules=list(CombinationRule),
        default_combination_rule=CombinationRule(settings.combination_rule),
        import_allowed=bool(settings.import_roots),
        import_roots=[str(root) for root in settings.import_roots],
        annotator=annotator,
    )
