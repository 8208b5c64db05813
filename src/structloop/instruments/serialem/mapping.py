"""Our operations in SerialEM's words: its script commands, called through the socket."""

from structloop.instruments.mapping import VendorMapping, composed, direct, missing, unknown, vendor_mapping

MAPPING: VendorMapping = vendor_mapping(
    "serialem",
    "SerialEM",
    interface=(
        "SerialEM's script commands, by their codes, over its socket for external Python (one client; no "
        "authentication). It runs on the microscope's or the camera's computer and has to be told to listen."
    ),
    units=(
        "Stage positions and image shifts on the specimen are micrometres, angles degrees, as ours. Defocus is "
        "negative for underfocus. Image-shift units are the microscope's own, except in ImageShiftByMicrons."
    ),
    rows=[
        direct("load-grid", "LoadCartridge", note="Slots from 1; a long operation that returns when done."),
        direct("unload-grid", "UnloadCartridge"),
        direct("set-valves", "SetColumnOrGunValve"),
        composed("wait-ready", "AreDewarsFilling", "ReportVacuumStatus", note="Polled."),
        direct("set-beam", "SetBeamBlank", note="1 blanks: the reverse of ours."),
        direct(
            "apply-preset",
            "GoToLowDoseArea",
            note="View, Focus, Trial, Record, Search; imaging states for magnifications below.",
        ),
        composed("move-stage", "MoveStageTo", "MoveStage"),
        direct("tilt-stage", "TiltTo"),
        direct(
            "shift-image",
            "ImageShiftByMicrons",
            note="Increments, X along the tilt axis; can adjust beam tilt for coma. Returns 1 and does nothing when "
            "over the limit.",
        ),
        direct("set-defocus", "SetDefocus", note="The sign is turned."),
        composed("autofocus", "SetTargetDefocus", "AutoFocus", note="The sign is turned."),
        direct("find-eucentric-height", "Eucentricity", note="1 is rough, 2 fine."),
        direct("wait-drift", "DriftWaitTask"),
        direct("acquire", "Record", note="View, Search, Trial, Preview for other presets; pixels by GetBufferImage."),
        composed(
            "acquire-montage",
            "OpenNewMontage",
            "Montage",
            "ReadMontagePiece",
            note="Its own montage, into a file of SerialEM's, from which the tiles are read back.",
        ),
        direct("align-to", "AlignTo"),
        direct("set-aperture", "SetApertureSize", note="0 takes it out; RemoveAperture, ReInsertAperture."),
        composed("set-energy-filter", "SetSlitWidth", "SetSlitIn"),
        direct("align-zero-loss", "RefineZLP"),
        composed("maintain", "LongOperation", "ManageDewarsAndPumps", note="Buffer cycle, refill, flashing and more."),
        direct("list-slots", "ReportSlotStatus", note="Answers differ by vendor; JEOL needs an inventory first."),
        composed("state", "ReportStageXYZ", "ReportDefocus", "ReportColumnOrGunValve", "ReportImageShift"),
        unknown("abort", "The socket takes no second command while one runs; STOP is pressed at SerialEM."),
        missing("observe", "Navigator and .mdoc files are imported; nothing is announced."),
        missing("advise", "It has no service that asks; a script may call one."),
    ],
)

__all__ = ["MAPPING"]
