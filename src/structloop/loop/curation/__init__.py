"""Curation: choosing what people should look at, and recording what they settle."""

from structloop.loop.curation.agreement import CuratorRates, krippendorff_alpha
from structloop.loop.curation.answering import Answered, answer, undo
from structloop.loop.curation.mixing import DEFAULT_SHARES, Chosen, mix
from structloop.loop.curation.queue import NewItem, QueueItem, add_items, next_items, queue_item, withdraw_open
from structloop.loop.curation.settling import Outcome, settle
from structloop.loop.curation.standing import QueueStanding, curator_rates, queue_standing
from structloop.loop.curation.tally import recount

__all__ = [
    "DEFAULT_SHARES",
    "Answered",
    "Chosen",
    "CuratorRates",
    "NewItem",
    "Outcome",
    "QueueItem",
    "QueueStanding",
    "add_items",
    "answer",
    "curator_rates",
    "krippendorff_alpha",
    "mix",
    "next_items",
    "queue_item",
    "queue_standing",
    "recount",
    "settle",
    "undo",
    "withdraw_open",
]
