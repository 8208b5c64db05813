"""Our operations in the words of JEOL's PyJEM, beside which JADAS runs."""

from structloop.instruments.mapping import VendorMapping, composed, direct, missing, unknown, vendor_mapping

MAPPING: VendorMapping = vendor_mapping(
    "jadas",
    "JADAS (JEOL)",
    interface=(
        "JADAS, JEOL's program for automated data acquisition, has no programming interface that is documented in "
        "public. The words are those of PyJEM (TEM3 and detector), JEOL's Python library for the microscope's "
        "computer, which moves the same microscope from beside it."
    ),
    units=(
        "Stage positions are nanometres, angles degrees. Deflectors and lenses are raw 16-bit values (0 to 65535, "
        "middle 32768) that need a calibration; apertures are numbers of holes. Calls return before the thing is done, "
        "and GetStatus is polled."
    ),
    rows=[
        unknown("load-grid", "Not in what we know of PyJEM; SerialEM reaches the CRYO ARM's loader by other means."),
        unknown("unload-grid", "As load-grid."),
        direct("set-valves", "FEG3.SetBeamValve(0 | 1)", note="The gun valve, of field-emission guns."),
        composed("wait-ready", "FEG3.GetV1Ready()", note="Polled. Whether the dewars fill: unknown."),
        direct("set-beam", "Def3.SetBeamBlank(0 | 1)", note="1 blanks: the reverse of ours."),
        composed(
            "apply-preset",
            "EOS3.SelectFunctionMode(mode)",
            "EOS3.SetSelector(number)",
            "EOS3.SelectSpotSize(number)",
            note="No presets by name; a driver keeps its own.",
        ),
        composed("move-stage", "Stage3.SetX(nm)", "Stage3.SetY(nm)", "Stage3.SetZ(nm)", "Stage3.GetStatus()"),
        composed("tilt-stage", "Stage3.SetTiltXAngle(degrees)", "Stage3.GetStatus()"),
        composed("shift-image", "Def3.SetIS1(x, y)", note="Raw values; coma by a calibration of ours."),
        composed(
            "set-defocus", "Lens3.SetOLf(value)", note="Raw values of the objective's fine lens, by a calibration."
        ),
        unknown("autofocus", "PyJEM's overview names an automatic focus; whether it serves TEM images we do not know."),
        unknown("find-eucentric-height", "A driver could compare images at two tilts."),
        missing("wait-drift", "A driver would compare images in a row."),
        composed(
            "acquire",
            "detector.Detector(name).set_exposuretime_value(value)",
            "detector.Detector(name).snapshot_rawdata()",
            note="JEOL's own detectors. Cameras of others are reached through their makers' programs.",
        ),
        composed(
            "acquire-montage",
            "Stage3.SetX(nm)",
            "Stage3.SetY(nm)",
            "detector.Detector(name).snapshot_rawdata()",
            note="Tile by tile.",
        ),
        missing("align-to", "A driver would compare the images itself."),
        composed(
            "set-aperture",
            "Apt3.SelectExpKind(kind)",
            "Apt3.SetExpSize(kind, number)",
            note="Holes by number, 0 is open; diameters are a table of ours. Older columns: SelectKind, SetSize.",
        ),
        composed("set-energy-filter", "Filter3.SetSlitPosition(0 | 1)", "Filter3.SetSlitWidth(eV)"),
        unknown(
            "align-zero-loss",
            "Filter3.OmegaAutoTuneExec tunes the filter; whether that centres the peak we do not know.",
        ),
        direct("maintain", "FEG3.ExecAutoFlashing(1)", note="Cold guns."),
        unknown("list-slots", "As load-grid."),
        composed("state", "Stage3.GetPos()", "Def3.GetBeamBlank()", "FEG3.GetBeamValve()", "Filter3.GetSlitWidth()"),
        direct("abort", "Stage3.Stop()", note="The stage; whether an exposure can be stopped depends on the detector."),
        unknown("observe", "JADAS saves images and session files; their layout is not public."),
        unknown("advise"),
    ],
)

__all__ = ["MAPPING"]
