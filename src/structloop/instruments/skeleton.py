"""What the drivers that only begin have in common: they reach the vendor's library and read where the stage is.

Such a driver declares what its vendor's interface allows (its mapping says which words do it), so that the vocabulary
is proven before it freezes, but its microscopes offer no part yet: `require` refuses every action before anything
moves, which is what a microscope in use deserves of code that never ran on one.
"""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType, ModuleType

from structloop.core.errors import InstrumentConnectionError, InstrumentFaultError, NotCapableError
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.mapping import VendorMapping
from structloop.instruments.microscope import Parts
from structloop.schema.acquisition import (
    Capability,
    MicroscopeDescription,
    MicroscopeState,
    StagePosition,
    Tier,
)


@dataclass(frozen=True, slots=True)
class VendorLibrary:
    """A vendor's library and the little that is done with it.

    Attributes:
        module: What is imported, when somebody connects and not before.
        needs: What is needed to have it, and where; ends the message of a failed connection.
        connect: From the module and the address's options, something to talk to.
        position: Where the stage is, asked of that.
        errors: What the library raises when something fails at the microscope.
    """

    module: str
    needs: str
    connect: Callable[[ModuleType, Mapping[str, str]], object]
    position: Callable[[object], StagePosition]
    errors: tuple[type[Exception], ...] = (OSError, RuntimeError, AttributeError, ValueError)


@dataclass(frozen=True, slots=True)
class SkeletonDriver:
    """A driver that reaches its vendor's library and commands nothing yet."""

    mapping: VendorMapping
    library: VendorLibrary
    tier: Tier = Tier.COMMAND
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in the address."""
        return self.mapping.driver

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the vendor's interface allows, by the mapping."""
        return self.mapping.capabilities()

    @property
    def summary(self) -> str:
        """One line for lists."""
        return f"{self.mapping.title}: a beginning; reads where the stage is, commands nothing yet"

    def open(self, address: ScopeAddress) -> "SkeletonMicroscope":
        """The microscope beside whose software this runs.

        Raises:
            NotCapableError: the address lacks an option.
        """
        for option in self.required:
            if not address.options.get(option):
                raise NotCapableError(
                    f"driver '{self.name}' needs the option '{option}' ({self.options[option]}): "
                    f"{self.name}://?{option}=..."
                )
        return SkeletonMicroscope(self.mapping, self.library, self.tier, address.options)


class SkeletonMicroscope:
    """A microscope of which only the stage's position is read."""

    def __init__(
        self,
        mapping: VendorMapping,
        library: VendorLibrary,
        tier: Tier,
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._mapping = mapping
        self._library = library
        self._options = options
        self._handle: object | None = None
        # Vendors' libraries (COM above all) belong to the thread that opened them.
        self._thread: ThreadPoolExecutor | None = None
        self._description = MicroscopeDescription(name=mapping.title, driver=mapping.driver, tier=tier)

    @property
    def description(self) -> MicroscopeDescription:
        """What it is; it can do nothing yet."""
        return self._description

    @property
    def parts(self) -> Parts:
        """None yet."""
        return Parts()

    async def connect(self) -> None:
        """Import the vendor's library and reach the microscope.

        Raises:
            InstrumentConnectionError: the library is not there, or finds no microscope.
        """
        if self._handle is not None:
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._mapping.driver)
        try:
            self._handle = await asyncio.get_running_loop().run_in_executor(self._thread, self._reach)
        except InstrumentConnectionError:
            await self.close()
            raise

    def _reach(self) -> object:
        library = self._library
        try:
            module = importlib.import_module(library.module)
        except ImportError as error:
            raise InstrumentConnectionError(
                f"{self._mapping.title} cannot be reached from here: Python finds no module '{error.name}'. "
                f"{library.needs}"
            ) from error
        try:
            return library.connect(module, self._options)
        except library.errors as error:
            raise InstrumentConnectionError(
                f"{self._mapping.title} did not answer: {error}. {library.needs}"
            ) from error

    async def close(self) -> None:
        """Let go of it."""
        self._handle = None
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    async def state(self) -> MicroscopeState:
        """Where the stage is.

        Raises:
            InstrumentConnectionError: it is not connected.
            InstrumentFaultError: the library failed.
        """
        if self._handle is None or self._thread is None:
            raise InstrumentConnectionError(f"{self._mapping.title} is not connected; call connect first")
        loop = asyncio.get_running_loop()
        try:
            position = await loop.run_in_executor(self._thread, self._library.position, self._handle)
        except self._library.errors as error:
            raise InstrumentFaultError(f"{self._mapping.title} could not say where its stage is: {error}") from error
        return MicroscopeState(at=datetime.now(UTC), stage=position)

    async def abort(self) -> None:
        """Nothing is ever going on."""


__all__ = ["SkeletonDriver", "SkeletonMicroscope", "VendorLibrary"]
