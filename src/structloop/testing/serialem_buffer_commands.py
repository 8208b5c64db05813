"""Commands of the fake SerialEM that look at buffers and at what is saved; no file is ever written."""

import numpy as np
from numpy.typing import NDArray

from structloop.testing.serialem_program import (
    SETS,
    Argument,
    CommandError,
    FakeSerialEM,
    Held,
    Returned,
    command,
    number,
)

FOLDER = "D:\\frames"


@command("ImageProperties")
async def _properties(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    held = sem.buffer(given[0])
    exposure_s = 0.0 if held.taken is None else held.taken.facts.exposure_s or 0.0
    return (*held.size, held.binning, exposure_s, held.pixel_nm, SETS.index(held.set_letter))


@command("ImageConditions")
async def _conditions(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    held = sem.buffer(given[0])
    dose = 0.0 if held.taken is None else held.taken.facts.dose_e_per_angstrom2 or 0.0
    return dose, 0.0 if held.preset is None else held.preset.magnification


@command("ReportMeanCounts")
async def _mean(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    pixels = np.asarray(sem.buffer(given[0]).pixels(), np.float64)
    if number(given[1]) != 2:
        return float(pixels.mean())
    return float(pixels.mean()), float(pixels.std()), float(pixels.min()), float(pixels.max())


@command("ReportCurrentBuffer")
async def _current_buffer(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return "A", int(0 in sem.buffers)


@command("Copy")
async def _copy(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.buffers[sem.index(given[1])] = sem.buffer(given[0])
    return None


@command("ReduceImage")
async def _reduce(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    held, factor = sem.buffer(given[0]), number(given[1])
    binning = round(factor)
    pixels = np.asarray(held.pixels(), np.float32)
    if binning < 1 or pixels.ndim != 2 or min(pixels.shape) < binning:
        raise CommandError(f"An image cannot be reduced by {factor}")
    rows, columns = (length // binning for length in pixels.shape)
    blocks = pixels[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning).mean((1, 3))
    reduced = np.asarray(blocks, np.float32)
    sem.show(Held(held.taken, held.preset, held.set_letter, given=reduced, binning=held.binning * binning))
    return None


@command("CropCenterToSize")
async def _crop(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    held = sem.buffer(given[0])
    width, height = int(number(given[1])), int(number(given[2]))
    if not 0 < width <= held.size[0] or not 0 < height <= held.size[1]:
        raise CommandError(f"An image of {held.size[0]} x {held.size[1]} cannot be cropped to {width} x {height}")
    left, top = (held.size[0] - width) // 2, (held.size[1] - height) // 2
    pixels = held.pixels()[top : top + height, left : left + width]
    sem.show(Held(held.taken, held.preset, held.set_letter, given=pixels, binning=held.binning))
    return None


# --- Between image and stage -----------------------------------------------------------------------------------------


def _geometry(sem: FakeSerialEM, letter: Argument) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
    """Micrometres per pixel (y down), the stage position of the image's centre, its size."""
    held = sem.buffer(letter)
    if held.taken is None:
        raise CommandError(f"There is not enough information to relate the image in {letter} to the stage")
    facts = held.taken.facts
    matrix = held.binning * np.array(facts.image_to_stage_um)
    centre = np.array([facts.stage.x_um, facts.stage.y_um]) + np.array(facts.image_shift_um)
    return matrix, centre, held.size


@command("BufImagePosToStagePos")
async def _to_stage(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return (*stage_position(sem, given[0], number(given[2]), number(given[3])), -1, -1, -1)


def stage_position(sem: FakeSerialEM, letter: Argument, x_px: float, y_px: float) -> tuple[float, float]:
    """Where on the stage a place in an image is, um."""
    matrix, centre, (width, height) = _geometry(sem, letter)
    x, y = centre + matrix @ np.array([x_px - width / 2, y_px - height / 2])
    return float(x), float(y)


@command("StagePosToBufImagePos")
async def _to_image(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    matrix, centre, (width, height) = _geometry(sem, given[0])
    x, y = np.linalg.solve(matrix, np.array([number(given[2]), number(given[3])]) - centre)
    return float(x) + width / 2, float(y) + height / 2, -1, -1, -1


@command("BufImageToStageMatrix")
async def _to_stage_matrix(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    matrix, centre, (width, height) = _geometry(sem, given[0])
    upward = matrix * [1.0, -1.0]
    off = centre - upward @ np.array([width / 2, height / 2])
    return [float(value) for value in (*upward.ravel(), *off)]


@command("StageToBufImageMatrix")
async def _to_image_matrix(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    matrix, centre, (width, height) = _geometry(sem, given[0])
    inverse = np.linalg.inv(matrix * [1.0, -1.0])
    off = np.array([width / 2, height / 2]) - inverse @ centre
    return [float(value) for value in (*inverse.ravel(), *off)]


# --- Files, by name only ---------------------------------------------------------------------------------------------


def open_new_file(sem: FakeSerialEM, name: Argument) -> None:
    """Remember a new image file, and have it open."""
    if name in sem.files:
        raise CommandError(f"The file {name} is open already")
    sem.files.append(str(name))
    sem.known_files.add(str(name))


@command("OpenNewFile")
async def _open_new_file(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    open_new_file(sem, given[0])
    return None


@command("OpenOldFile")
async def _open_old_file(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    if given[0] not in sem.known_files:
        raise CommandError(f"There is no image file {given[0]} to open")
    open_new_file(sem, given[0])
    return None


@command("CloseFile")
async def _close_file(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    if not sem.files:
        raise CommandError("There is no file to close")
    sem.files.pop()
    return None


@command("Save")
async def _save(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.buffer(given[0])
    if not sem.files:
        raise CommandError("There is no open image file to save into")
    sem.settings["sections"] = float(sem.settings.get("sections", 0)) + 1
    return None


@command("ReportFileZsize")
async def _sections(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return float(sem.settings.get("sections", 0))


@command("ReportFileNumber")
async def _file_number(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return len(sem.files) if sem.files else -1


@command("ReportNumOpenFiles")
async def _open_files(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return len(sem.files)


@command("IsImageFileOpen")
async def _is_open(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return sem.files.index(str(given[0])) + 1 if given[0] in sem.files else 0


@command("DoesFileExist")
async def _exists(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    return int(given[0] in sem.known_files or given[0] in sem.navigator_files)


def parts_of_path(path: str, split: bool) -> Returned:
    """Path, folder and name; or root, extension, folder and name."""
    folder, _, name = path.replace("/", "\\").rpartition("\\")
    if not split:
        return path, folder, name
    root, dot, extension = name.rpartition(".")
    return root or name, dot + extension if root else "", folder, name


@command("ReportOpenImageFile")
async def _open_image_file(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    index = int(number(given[0]))
    if not 1 <= index <= len(sem.files):
        raise CommandError(f"There is no open image file {index}")
    return parts_of_path(sem.files[index - 1], bool(given[1]))


@command("ReportLastFrameFile")
async def _last_frames(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    if sem.last_frames is None:
        raise CommandError("There is no last frame file name")
    return parts_of_path(sem.last_frames, False)


@command("ReportNumFramesSaved")
async def _frames_saved(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return sem.frames_saved


@command("SetFrameBaseName")
async def _frame_base(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.settings["frame base"] = str(given[3])
    for place, told in enumerate(("in files", "in folders"), 1):
        # Values below zero leave it as it is.
        if number(given[place]) >= 0:
            sem.settings[f"frame base {told}"] = int(bool(given[place]))
    return None


@command("ReportFrameBaseName")
async def _report_frame_base(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    in_files, in_folders = (float(sem.settings.get(f"frame base {told}", 0)) for told in ("in files", "in folders"))
    return in_files, str(sem.settings.get("frame base", "frames")), in_folders


@command("SetFolderForFrames")
async def _frame_folder(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.settings["frame folder"] = str(given[0])
    return None


@command("ReportFrameSavingPath")
async def _frame_path(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return str(sem.settings.get("frame folder", FOLDER))


@command("SetDirectory", "UserSetDirectory")
async def _set_directory(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    sem.settings["directory"] = str(given[0] or FOLDER)
    return sem.settings["directory"] if sem.ran[-1] == "UserSetDirectory" else None


@command("ReportDirectory")
async def _directory(sem: FakeSerialEM, _: list[Argument]) -> Returned:
    return str(sem.settings.get("directory", FOLDER))


@command("ReportFileOptions")
async def _file_options(_: FakeSerialEM, __: list[Argument]) -> Returned:
    return 0, 6, 1, 1, 0.1, 0.1


@command("ReportMetadataValues")
async def _metadata(sem: FakeSerialEM, given: list[Argument]) -> Returned:
    """What the image's metadata would say under up to six keys, separated by blanks."""
    held = sem.buffer(given[0])
    known: dict[str, str] = {"ImageSize": f"{held.size[0]} {held.size[1]}", "Binning": f"{held.binning:g}"}
    if held.taken is not None:
        facts = held.taken.facts
        known |= {
            "TiltAngle": f"{facts.stage.tilt_deg:g}",
            "StagePosition": f"{facts.stage.x_um:g} {facts.stage.y_um:g}",
            "StageZ": f"{facts.stage.z_um:g}",
            "PixelSpacing": f"{facts.pixel_size_angstrom:g}",
            "ExposureTime": f"{facts.exposure_s or 0:g}",
            "DateTime": f"{facts.taken_at:%d-%b-%Y  %H:%M:%S}",
        }
    wanted = str(given[1]).split()[:6]
    missing = [key for key in wanted if key not in known]
    if missing or not wanted:
        raise CommandError(f"There is no metadata {', '.join(missing)} for the image in {given[0]}")
    return [known[key] for key in wanted]
