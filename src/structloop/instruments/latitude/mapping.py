"""Our operations in the words of Gatan's DigitalMicrograph, in which Latitude runs."""

from structloop.instruments.mapping import VendorMapping, composed, direct, missing, unknown, vendor_mapping

MAPPING: VendorMapping = vendor_mapping(
    "latitude",
    "Latitude (Gatan)",
    interface=(
        "Latitude, Gatan's program for automated single-particle acquisition, has no programming interface that is "
        "documented in public. The words are those of the Python module DigitalMicrograph (Py_Microscope, Py_Camera) "
        "and of DM's scripting functions (IF..., IFC...), inside the program it runs in, DigitalMicrograph (GMS 3.4 "
        "and newer)."
    ),
    units=(
        "Stage positions are micrometres, angles degrees. Focus and shifts come twice: in the microscope's own units, "
        "and 'calibrated' where somebody calibrated them in DigitalMicrograph."
    ),
    rows=[
        unknown("load-grid", "Not in what we know of Py_Microscope."),
        unknown("unload-grid", "As load-grid."),
        unknown(
            "set-valves", "Py_Microscope.GetColumnValvesOpen() reads them; of a call that sets them we do not know."
        ),
        missing("wait-ready", "A driver could poll GetColumnValvesOpen(); of the dewars nothing is said."),
        direct("set-beam", "Py_Microscope.SetBeamBlanked(bool)", note="True blanks: the reverse of ours."),
        composed(
            "apply-preset",
            "Py_Microscope.SetMagIndex(index)",
            "Py_Microscope.SetSpotSize(number)",
            "Py_Microscope.SetBrightness(value)",
            note="Latitude's own states (atlas, grid, hole, data) cannot be called from outside, as far as we know.",
        ),
        direct(
            "move-stage",
            "Py_Microscope.SetStagePositions(flags, x, y, z, a, b)",
            note="Absolute; flags say which axes.",
        ),
        direct("tilt-stage", "Py_Microscope.SetStageAlpha(degrees)"),
        composed(
            "shift-image",
            "Py_Microscope.SetImageShift(x, y)",
            "Py_Microscope.GetCalibratedImageShift()",
            note="The microscope's units, by a calibration; nothing for coma.",
        ),
        composed("set-defocus", "Py_Microscope.SetCalibratedFocus(value)", note="Needs DM's calibration of the focus."),
        missing("autofocus", "Latitude does it by itself; a driver would compare images at two beam tilts."),
        missing("find-eucentric-height", "Latitude does it by itself; a driver would compare images at two tilts."),
        missing("wait-drift", "A driver would compare images in a row."),
        composed(
            "acquire",
            "DigitalMicrograph.GetActiveCamera()",
            "Py_Camera.PrepareForAcquire()",
            "Py_Camera.AcquireImage(exposure, binning, ...)",
            note="Of a way to save frames from Python we do not know; the camera's own dialog has it.",
        ),
        composed(
            "acquire-montage",
            "Py_Microscope.SetStagePositions(flags, x, y, z, a, b)",
            "Py_Camera.AcquireImage(exposure, binning, ...)",
            note="Tile by tile.",
        ),
        missing("align-to", "A driver would compare the images itself."),
        unknown("set-aperture", "GetCondenserAperture() and GetObjectiveAperture() read numbers of apertures."),
        composed("set-energy-filter", "IFSetSlitIn(0 | 1)", "IFSetSlitWidth(eV)", note="IFC... on newer filters."),
        direct("align-zero-loss", "IFCDoAlignZeroLoss()", note="GT_CenterZLP() on older filters."),
        unknown("maintain"),
        unknown("list-slots", "As load-grid."),
        composed(
            "state",
            "Py_Microscope.GetStageX()",
            "Py_Microscope.GetStageY()",
            "Py_Microscope.GetStageZ()",
            "Py_Microscope.GetStageAlpha()",
            "Py_Microscope.GetBeamBlanked()",
            "Py_Microscope.GetColumnValvesOpen()",
        ),
        unknown("abort"),
        unknown("observe", "Latitude saves images and session files; their layout is not public."),
        unknown("advise"),
    ],
)

__all__ = ["MAPPING"]
