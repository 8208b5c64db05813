"""The part that finds focus, height and rest."""

from typing import Literal

from structloop.core.errors import InstrumentFaultError, InstrumentTimeoutError
from structloop.instruments.serialem.session import TASK_S, Session
from structloop.schema.acquisition import Drifting, Fault, Focused

_FAILURES = {1: "its measurements disagree", 2: "it is over the absolute limit", 3: "it is over the limit of change"}


class SerialEMFocus:
    """Finds focus, height and rest with SerialEM's own routines, at the low-dose Focus area where low dose is on.

    SerialEM's defocus is negative for underfocus and counts from where the lens was last zeroed; autofocus tells what
    it reads in focus, and from then on it is counted from there.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def set_defocus(self, defocus_um: float) -> None:
        """See `Focus.set_defocus`."""
        await self._session.run("SetDefocus", self._session.zero_um - defocus_um)

    async def autofocus(self, target_um: float) -> Focused:
        """See `Focus.autofocus`.

        Raises:
            InstrumentFaultError: SerialEM measured nothing that it believes.
        """
        session = self._session
        await session.ready_to_expose()
        await session.run("SetTargetDefocus", -target_um)
        await session.run("AutoFocus", timeout_s=TASK_S, fault=Fault.CAMERA_TIMEOUT)
        measured, failure = (await session.numbers("ReportAutoFocus", least=2))[:2]
        if failure:
            reason = _FAILURES.get(int(failure), "it failed")
            raise InstrumentFaultError(
                f"SerialEM's autofocus measured {measured:.2f} um, and {reason} (code {failure:g}); try another place",
                may_have_happened=True,
            )
        # The lens stands at the target now, whatever it reads.
        session.zero_um = await session.number("ReportDefocus") + target_um
        return Focused(measured_um=-measured, defocus_um=target_um)

    async def eucentric_height(self, method: Literal["rough", "fine"]) -> Focused:
        """See `Focus.eucentric_height`."""
        session = self._session
        await session.ready_to_expose()
        routine = 1 if method == "rough" else 2
        await session.run("Eucentricity", routine, timeout_s=TASK_S, fault=Fault.CAMERA_TIMEOUT)
        return Focused(z_um=(await session.stage()).z_um)

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> Drifting:
        """See `Focus.wait_drift`. SerialEM tells the drift in nm/s, whatever unit it was asked in."""
        session = self._session
        await session.ready_to_expose()
        began = await session.number("ReportTickTime")
        # 0: the interval of SerialEM's dialog. -1: no error at the limit; it is asked afterwards.
        arguments = (rate_angstrom_per_s, "A", timeout_s, 0.0, -1)
        await session.run("DriftWaitTask", *arguments, timeout_s=timeout_s + TASK_S, fault=Fault.CAMERA_TIMEOUT)
        drift, failed = (await session.numbers("GetWaitTaskDrift", least=2))[:2]
        waited_s = await session.number("ReportTickTime") - began
        if failed:
            raise InstrumentTimeoutError(
                f"the specimen still drifts by {10 * drift:.1f} A/s after {waited_s:.0f} s, more than "
                f"{rate_angstrom_per_s:g}; wait longer or go elsewhere",
                may_have_happened=True,
            )
        return Drifting(rate_angstrom_per_s=10 * drift, waited_s=max(waited_s, 0.0))


__all__ = ["SerialEMFocus"]
