"""The suite of drivers that only see: what they show of a session, in an order that can be understood."""

import asyncio
from datetime import timedelta

import numpy as np

from structloop.instruments.microscope import Microscope, ObservedImage
from structloop.schema.acquisition import Capability, Tier
from structloop.testing.microscope_basics import MicroscopeGround


class ObserverTests(MicroscopeGround):
    """What every *observe* driver must do. The fixture `microscope` gives one on a session that has ended."""

    def observed(self, microscope: Microscope) -> list[ObservedImage]:
        """All images of the session."""

        async def scenario() -> list[ObservedImage]:
            async with asyncio.timeout(self.patience_s):
                await microscope.connect()
                try:
                    assert microscope.parts.observation is not None
                    return [image async for image in microscope.parts.observation.images()]
                finally:
                    await microscope.close()

        return asyncio.run(scenario())

    def test_it_observes_and_commands_nothing(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            assert scope.description.tier is Tier.OBSERVE
            assert scope.parts.capabilities() == {Capability.OBSERVATION}
            assert not scope.description.operations

        self.at(microscope, body)

    def test_a_session_that_has_ended_is_shown_and_ends(self, microscope: Microscope) -> None:
        images = self.observed(microscope)
        assert images, "a session without images: give one that has some"
        for image in images:
            assert isinstance(image, ObservedImage)
            assert image.level in {"atlas", "square", "hole", "exposure", "other"}
            assert image.name
            assert image.name != image.parent
        taken = [image.image.facts for image in images if image.image is not None]
        assert taken, "metadata only: give a session with at least one image"
        assert len({facts.image_id for facts in taken}) == len(taken), "an image_id stands twice"
        assert all(facts.taken_at.utcoffset() == timedelta(0) for facts in taken), "times are UTC"

    def test_what_lies_in_something_comes_after_it(self, microscope: Microscope) -> None:
        images = self.observed(microscope)
        names = {image.name for image in images}
        seen: set[str] = set()
        for image in images:
            if image.parent in names:
                assert image.parent in seen, f"{image.name} came before {image.parent}, in which it lies"
            seen.add(image.name)

    def test_pixels_are_as_the_facts_say_and_the_same_each_time(self, microscope: Microscope) -> None:
        for observed in [image for image in self.observed(microscope) if image.image is not None][:5]:
            image = observed.image
            assert image is not None
            facts, pixels = image.facts, image.pixels()
            assert pixels.shape == (facts.height_px, facts.width_px)
            assert pixels.dtype.name in {"uint8", "uint16", "int16", "float32"}
            assert np.array_equal(pixels, image.pixels())
            assert image.pixels(4).shape == (facts.height_px // 4, facts.width_px // 4)
            sides = np.linalg.norm(np.array(facts.image_to_stage_um), axis=0) * 1e4
            assert np.allclose(sides, facts.pixel_size_angstrom, rtol=0.1), "matrix and pixel size differ"

    def test_looking_twice_shows_the_same(self, microscope: Microscope) -> None:
        first, second = self.observed(microscope), self.observed(microscope)
        assert [(image.level, image.name, image.parent) for image in first] == [
            (image.level, image.name, image.parent) for image in second
        ]


__all__ = ["ObserverTests"]
