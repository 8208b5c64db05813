"""Our operations in the words of Leginon's instrument layer, pyscope."""

from structloop.instruments.mapping import VendorMapping, composed, direct, missing, vendor_mapping

MAPPING: VendorMapping = vendor_mapping(
    "leginon",
    "Leginon",
    interface=(
        "pyscope, the instrument layer of Leginon (Python): one class per microscope and one per camera, named in the "
        "file instruments.cfg. It runs on the microscope's computer. Presets, focusing, drift and target finding are "
        "Leginon's own nodes above it, and its images and positions are rows of its database."
    ),
    units=(
        "Lengths are metres, angles radians, exposure times milliseconds; positions are dictionaries "
        "{'x', 'y', 'z', 'a', 'b'}. Defocus is negative for underfocus. States are words: 'open', 'closed', 'on', "
        "'off'."
    ),
    rows=[
        direct(
            "load-grid",
            "loadGridCartridge(number)",
            note="Slots from 1; raises where the slot is not 'occupied'. The grid on the stage goes back first: "
            "unloadGridCartridge().",
        ),
        direct("unload-grid", "unloadGridCartridge()"),
        direct("set-valves", "setColumnValvePosition('open' | 'closed')", note="Does nothing on JEOL microscopes."),
        composed("wait-ready", "getVacuumStatus()", "isAutoFillerBusy()", note="Polled; there is no waiting call."),
        direct("set-beam", "setBeamBlank('on' | 'off')", note="'on' blanks the beam: the reverse of ours."),
        composed(
            "apply-preset",
            "setMagnification(value)",
            "setSpotSize(value)",
            "setIntensity(value)",
            "setBeamShift({'x', 'y'})",
            note="Presets by name are the PresetsManager node's, in the database, not pyscope's.",
        ),
        direct("move-stage", "setStagePosition({'x', 'y', 'z'})", note="Absolute; axes may be left out."),
        direct("tilt-stage", "setStagePosition({'a'})", note="Radians."),
        composed(
            "shift-image",
            "setImageShift({'x', 'y'})",
            note="From the specimen's micrometres by Leginon's own calibration matrices; its coma correction too.",
        ),
        direct("set-defocus", "setDefocus(metres)", note="The sign is turned."),
        missing("autofocus", "The Focuser node does it with pairs of tilted-beam images."),
        missing("find-eucentric-height", "The Focuser node does it with images at two stage tilts."),
        missing("wait-drift", "The DriftManager node does it with repeated images."),
        composed(
            "acquire",
            "setExposureTime(milliseconds)",
            "setDimension(value)",
            "setBinning(value)",
            "getImage()",
            note="On the camera's class. Frames are saved by setSaveRawFrames(True) where the camera knows it.",
        ),
        composed("acquire-montage", "setStagePosition({'x', 'y'})", "getImage()", note="Tile by tile."),
        missing("align-to", "Images are compared by Leginon's nodes; a driver would compare them itself."),
        direct(
            "set-aperture",
            "setApertureSelection(mechanism, name)",
            note="Names such as '100' or 'open', of getApertureSelections(mechanism).",
        ),
        composed(
            "set-energy-filter", "setEnergyFilter(bool)", "setEnergyFilterWidth(eV)", note="On the camera's class."
        ),
        direct("align-zero-loss", "alignEnergyFilterZeroLossPeak()", note="On the camera's class."),
        composed(
            "maintain", "runAutoFiller()", "performGridLoaderInventory()", note="Which ones depends on the class."
        ),
        composed("list-slots", "getGridLoaderNumberOfSlots()", "getGridLoaderSlotState(number)"),
        composed(
            "state",
            "getStagePosition()",
            "getImageShift()",
            "getDefocus()",
            "getBeamBlank()",
            "getColumnValvePosition()",
        ),
        missing("abort", "No call stops a stage or an exposure; Leginon stops between steps."),
        composed(
            "observe",
            "AcquisitionImageData (leginondata)",
            note="Rows of Leginon's database (MySQL or MariaDB), not pyscope.",
        ),
        missing("advise", "Target finders may call an external program, as they do with Ptolemy; nothing is posted."),
    ],
)

__all__ = ["MAPPING"]
