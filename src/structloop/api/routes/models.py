"""Installed models and their cards."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from structloop.api.dependencies import ModelsDependency, SettingsDependency
from structloop.api.errors import problems
from structloop.api.shapes import ModelDetail, ModelSummary
from structloop.schema.models import MODEL_NAME_PATTERN, ModelCard

router = APIRouter(tags=["models"])


@router.get("/models", operation_id="list_models", summary="List models")
def list_models(models: ModelsDependency, settings: SettingsDependency) -> list[ModelSummary]:
    """All installed models, by name."""
    cards, _broken = models.cards()
    return [_summary(card, settings.default_model) for card in cards]


@router.get(
    "/models/{name}",
    operation_id="get_model",
    summary="One model",
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def get_model(
    models: ModelsDependency,
    settings: SettingsDependency,
    name: Annotated[str, Path(pattern=MODEL_NAME_PATTERN, description="Name of a model.")],
) -> ModelDetail:
    """A model with its card: what it was trained on, how good it is, and where it fails."""
    card = models.card(name)
    return ModelDetail(card=card, **_summary(card, settings.default_model).model_dump())


def _summary(card: ModelCard, default_name: str) -> ModelSummary:
    return ModelSummary(
        name=card.name,
        version=card.version,
        summary=card.summary,
        family=card.family,
        modalities=list(card.modalities),
        alarm_threshold=card.alarm_threshold,
        licence=card.licence,
        is_default=card.name == default_name,
        synthetic=card.training.synthetic,
        limitations=list(card.limitations),
    )
