"""Our operations in the words of Thermo Fisher's TEM scripting, standard and advanced."""

from structloop.instruments.mapping import VendorMapping, composed, direct, missing, vendor_mapping

MAPPING: VendorMapping = vendor_mapping(
    "tem-scripting",
    "TEM scripting (Thermo Fisher)",
    interface=(
        "The COM objects TEMScripting.Instrument.1 (standard) and TEMAdvancedScripting.AdvancedInstrument.2 (advanced; "
        "the number is its version's), on the microscope's Windows computer, with the vendor's licence for scripting. "
        "From Python through comtypes."
    ),
    units=(
        "Lengths are metres, angles radians, times seconds. Projection.Defocus is negative for underfocus. Indices of "
        "magnification and spot size count from 1."
    ),
    rows=[
        direct("load-grid", "AutoLoader.LoadCartridge(slot)", note="Slots from 1; returns when done."),
        direct("unload-grid", "AutoLoader.UnloadCartridge()"),
        direct("set-valves", "Vacuum.ColumnValvesOpen"),
        composed(
            "wait-ready",
            "Vacuum.Status",
            "TemperatureControl.DewarsAreBusyFilling",
            note="Polled. TemperatureControl.DewarsRemainingTime says when they fill next.",
        ),
        direct("set-beam", "Illumination.BeamBlanked", note="True blanks: the reverse of ours."),
        composed(
            "apply-preset",
            "Projection.MagnificationIndex",
            "Illumination.SpotsizeIndex",
            "Illumination.Intensity",
            "Illumination.IlluminatedArea",
            note="No presets by name; a driver keeps its own. IlluminatedArea where there are three condensers, "
            "Intensity where there are two.",
        ),
        direct(
            "move-stage",
            "Stage.GoTo(position, axes)",
            note="Absolute; axes is a mask. Stage.GoToWithSpeed is slower, Stage.MoveTo detours for safety.",
        ),
        direct("tilt-stage", "Stage.GoTo(position, axisA)", note="Radians."),
        composed(
            "shift-image",
            "Projection.ImageBeamShift",
            "Projection.ImageBeamTilt",
            note="The second takes away coma; its amount is a calibration of ours. The axes are the beam's, not the "
            "stage's.",
        ),
        direct("set-defocus", "Projection.Defocus", note="The sign is turned; from where ResetDefocus() put zero."),
        missing("autofocus", "A driver would compare images at two Illumination.RotationCenter tilts."),
        missing("find-eucentric-height", "A driver would compare images at two stage tilts."),
        missing("wait-drift", "A driver would compare images in a row."),
        composed(
            "acquire",
            "Acquisitions.CameraSingleAcquisition.CameraSettings",
            "Acquisitions.CameraSingleAcquisition.Acquire()",
            note="Advanced; Acquisition.AcquireImages() in the standard one. Movies by "
            "CameraSettings.DoseFractionsDefinition or CameraSettings.EER, saved below "
            "CameraSettings.PathToImageStorage.",
        ),
        composed(
            "acquire-montage",
            "Stage.GoTo(position, axes)",
            "Acquisitions.CameraSingleAcquisition.Acquire()",
            note="Tile by tile.",
        ),
        missing("align-to", "A driver would compare the images itself."),
        composed(
            "set-aperture",
            "ApertureMechanismCollection",
            "ApertureMechanism.SelectAperture(aperture)",
            "ApertureMechanism.Retract()",
            note="By Aperture.Diameter; a licence of its own.",
        ),
        composed(
            "set-energy-filter",
            "EnergyFilter.Slit.InsertSlit(width)",
            "EnergyFilter.Slit.Width",
            "EnergyFilter.Slit.RetractSlit()",
            note="Advanced; for the vendor's own filters (Selectris).",
        ),
        missing(
            "align-zero-loss",
            "EnergyFilter.ZeroLossPeakAdjustment.EnergyShift moves the peak; finding it is left to a driver.",
        ),
        composed(
            "maintain",
            "TemperatureControl.ForceRefill()",
            "Vacuum.RunBufferCycle()",
            "AutoLoader.PerformCassetteInventory()",
            "Source.Flashing.PerformFlashing(type)",
            note="Flashing is advanced, for cold guns.",
        ),
        composed("list-slots", "AutoLoader.NumberOfCassetteSlots", "AutoLoader.SlotStatus(slot)"),
        composed(
            "state",
            "Stage.Position",
            "Projection.ImageBeamShift",
            "Projection.Defocus",
            "Vacuum.ColumnValvesOpen",
            "Illumination.BeamBlanked",
        ),
        missing("abort", "A stage move cannot be stopped; CameraContinuousAcquisition.Stop() stops a live view only."),
        missing("observe", "Nothing is announced; EPU's files are (driver epu)."),
        missing("advise", "EPU's decision service is (driver epu)."),
    ],
)

__all__ = ["MAPPING"]
