"""Particle pickers: the protocol, the heat-map network, and what turns maps into places with honest scores."""

from structloop.models.pickers.protocol import LabelledMicrograph, Picker, PickerFamily, ScoreMap, WorkingMicrograph

__all__ = ["LabelledMicrograph", "Picker", "PickerFamily", "ScoreMap", "WorkingMicrograph"]
