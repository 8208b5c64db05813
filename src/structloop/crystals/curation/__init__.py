"""Curation of drops: which join the queue, and how the queue's items are shown."""

from structloop.crystals.curation.asking import ask_about, fill_gold
from structloop.crystals.curation.filling import FillReport, fill_queue
from structloop.crystals.curation.showing import answer_item, item_view, next_views, queue_view, undo_answer
from structloop.crystals.curation.views import CurationItemView, CurationQueueView

__all__ = [
    "CurationItemView",
    "CurationQueueView",
    "FillReport",
    "answer_item",
    "ask_about",
    "fill_gold",
    "fill_queue",
    "item_view",
    "next_views",
    "queue_view",
    "undo_answer",
]
