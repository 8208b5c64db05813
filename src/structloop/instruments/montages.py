"""The images of a montage, as a driver gives them one after the other."""

from collections.abc import AsyncIterator, Coroutine

from structloop.core.errors import InstrumentFaultError
from structloop.instruments.answers import image_told
from structloop.instruments.microscope import Camera, TakenImage
from structloop.schema.acquisition import AcquireMontage, Imaged, MicroscopeDescription, MontageImaged

_NO_MORE = object()


async def begin(camera: Camera, action: AcquireMontage) -> AsyncIterator[TakenImage]:
    """Begin a montage: what a driver raises at once it raises here.

    Raises:
        InstrumentFaultError: it gives no images one after the other.
    """
    images: object = camera.montage(action.preset, action.columns, action.rows)
    if isinstance(images, AsyncIterator):
        return images
    if isinstance(images, Coroutine):
        images.close()
    raise InstrumentFaultError(
        f"the driver answered {action.kind} with {type(images).__name__}, not with an asynchronous iterator of images",
        may_have_happened=True,
    )


async def next_image(
    images: AsyncIterator[TakenImage], action: AcquireMontage, microscope: MicroscopeDescription
) -> TakenImage | None:
    """The next image; None where the driver says that there are no more.

    Raises:
        InstrumentFaultError: what is said of it cannot be; it was taken all the same.
    """
    taken: object = await anext(images, _NO_MORE)
    return None if taken is _NO_MORE else image_told(taken, action, microscope)


def counted(key: str, action: AcquireMontage, tiles: list[Imaged], *, more: bool) -> MontageImaged:
    """A montage that ended, with as many images as were asked for.

    Raises:
        InstrumentFaultError: there are fewer, or more.
    """
    wanted = action.columns * action.rows
    if more or len(tiles) < wanted:
        raise InstrumentFaultError(
            f"{key}: the microscope took {'more than ' if more else ''}{len(tiles)} images for a montage of "
            f"{action.columns} x {action.rows}",
            may_have_happened=True,
        )
    return MontageImaged(tiles=tuple(tiles))


__all__ = ["begin", "counted", "next_image"]
