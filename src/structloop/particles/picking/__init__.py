"""Picking many micrographs as a stream that can be stopped, killed and gone on with."""

from structloop.particles.picking.blind import BlindPicker, calibrated_blind, is_blind
from structloop.particles.picking.finding import FoundMicrograph, find_micrographs
from structloop.particles.picking.journal import PickedMicrograph, PickJournal, read_journal
from structloop.particles.picking.models import load_any_picker
from structloop.particles.picking.pictures import draw_picks, save_picture
from structloop.particles.picking.preparing import Prepared, Scale, prepare_file
from structloop.particles.picking.running import (
    PickingOptions,
    PickingProgress,
    PickingResult,
    candidates,
    pick_micrographs,
)
from structloop.particles.picking.thresholds import expected_at, threshold_for
from structloop.particles.picking.writing import check_out, pick_set, write_picks

__all__ = [
    "BlindPicker",
    "FoundMicrograph",
    "PickJournal",
    "PickedMicrograph",
    "PickingOptions",
    "PickingProgress",
    "PickingResult",
    "Prepared",
    "Scale",
    "calibrated_blind",
    "candidates",
    "check_out",
    "draw_picks",
    "expected_at",
    "find_micrographs",
    "is_blind",
    "load_any_picker",
    "pick_micrographs",
    "pick_set",
    "prepare_file",
    "read_journal",
    "save_picture",
    "threshold_for",
    "write_picks",
]
