"""The AXIS recipe's preprocessing, and what a checkpoint's ``preprocessor_config.json`` may say about it.

An image becomes grayscale, is squashed to the network's size (bilinear, antialiased, rounded to bytes), and is
normalised with ImageNet's mean and standard deviation. AXIS's own program takes size, mean and standard deviation from
the file and does the rest itself; the file's other fields are what ``facebook/dinov2-base`` came with. So a field is

* followed, where it is a size given as height and width, a mean or a standard deviation;
* accepted and named on the card, where it says exactly what the base's own file says (bicubic, centre crop of 224);
* refused otherwise: a checkpoint that was trained with another preprocessing must not be run with this one.

The luma is Pillow's (ITU-R 601, rounded); torchvision's, which AXIS used, is truncated: at most one grey level apart.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ImageFormatError, ModelFormatError
from structloop.schema.models import InputSpecification

FILE = "preprocessor_config.json"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
RECIPE = InputSpecification(
    width_px=518,
    height_px=518,
    colour="grayscale-as-rgb",
    resize="squash",
    interpolation="bilinear",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)
_REMEDY = "if the network was trained with the AXIS recipe all the same, give --preprocessing recipe"
_BYTE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})

# Pillow's numbers of its filters, as the file gives them.
_BILINEAR, _BICUBIC = 2, 3
# Fields without a say in what the network sees.
_NEUTRAL = frozenset(
    {
        "data_format",
        "default_to_square",
        "device",
        "disable_grouping",
        "do_convert_rgb",
        "feature_extractor_type",
        "image_processor_type",
        "input_data_format",
        "processor_class",
        "return_tensors",
    }
)
_READ = frozenset(
    {
        "crop_size",
        "do_center_crop",
        "do_normalize",
        "do_rescale",
        "do_resize",
        "image_mean",
        "image_std",
        "resample",
        "rescale_factor",
        "size",
    }
)


def prepare_grayscale(image: Image.Image, specification: InputSpecification) -> NDArray[np.uint8]:
    """The image as grayscale bytes `(1, h, w)` of the specification's size.

    Raises:
        ImageFormatError: the image has more than 8 bits per channel; how to map them to 8 is the reader's choice.
    """
    if image.mode not in _BYTE_MODES:
        raise ImageFormatError(f"an image of mode {image.mode} must be brought to 8 bits before it is scored")
    grey = image if image.mode == "L" else image.convert("RGB").convert("L")
    resized = grey.resize((specification.width_px, specification.height_px), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)[None]


def read_preprocessing(config: Mapping[str, Any], patch_size: int, where: str) -> tuple[InputSpecification, list[str]]:
    """The input specification that a preprocessing file asks for, and the fields that only repeat the base's.

    Args:
        config: the file's contents.
        patch_size: of the network; height and width must be multiples of it.
        where: path of the file, for errors.

    Raises:
        ModelFormatError: a field asks for what the recipe does not do; the message names it and the remedy.
    """

    def refuse(field: str) -> ModelFormatError:
        return ModelFormatError(f"{where}: {field} = {config.get(field)!r} is not the AXIS recipe's; {_REMEDY}")

    for field, value in config.items():
        if field not in _NEUTRAL | _READ and value:
            raise refuse(field)
    for field in ("do_resize", "do_rescale", "do_normalize"):
        if config.get(field, True) is not True:
            raise refuse(field)
    if abs(config.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        raise refuse("rescale_factor")
    size = config.get("size", {"height": RECIPE.height_px, "width": RECIPE.width_px})
    if not isinstance(size, Mapping) or set(size) != {"height", "width"}:
        raise refuse("size")
    if any(not isinstance(side, int) or side < patch_size or side % patch_size for side in size.values()):
        raise refuse("size")
    inherited = []
    if config.get("resample", _BILINEAR) != _BILINEAR:
        if config["resample"] != _BICUBIC:
            raise refuse("resample")
        inherited.append("resample")
    if config.get("do_center_crop", False):
        if config.get("crop_size") not in (224, {"height": 224, "width": 224}, size):
            raise refuse("crop_size")
        if config.get("crop_size") != size:
            inherited.append("do_center_crop")
    specification = RECIPE.model_copy(
        update={
            "width_px": size["width"],
            "height_px": size["height"],
            "mean": _three(config, "image_mean", IMAGENET_MEAN, where),
            "std": _three(config, "image_std", IMAGENET_STD, where),
        }
    )
    return InputSpecification.model_validate(specification.model_dump()), inherited


def _three(config: Mapping[str, Any], field: str, default: tuple[float, ...], where: str) -> tuple[float, ...]:
    values = config.get(field, default)
    if not isinstance(values, list | tuple) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
        raise ModelFormatError(f"{where}: {field} = {values!r} is not three numbers")
    return tuple(float(value) for value in values)


__all__ = ["FILE", "IMAGENET_MEAN", "IMAGENET_STD", "RECIPE", "prepare_grayscale", "read_preprocessing"]
