"""Who has control of the fake SerialEM: external control is either on or off, and a STOP is told once."""

from dataclasses import dataclass

from structloop.instruments.serialem import wire


@dataclass(slots=True)
class Control:
    """External control.

    Attributes:
        on: Whether a client has it. It stays on when a new client replaces one that did not leave.
        busy: Whether SerialEM is busy with something else, so that it cannot start.
        stop_pending: Whether STOP ended it. The next request that is not the question whether commands may be sent
            is refused with that, once; the question, and a client that leaves, use it up, too.
    """

    on: bool = False
    busy: bool = False
    stop_pending: bool = False

    def asked(self) -> bool:
        """The answer to the question whether commands may be sent; a yes starts control."""
        self.stop_pending = False
        if self.on or self.busy:
            return False
        self.on = True
        return True

    def refusal(self) -> wire.Refusal | None:
        """Why a request is refused, if it is; one that is not starts control, as in SerialEM."""
        if self.on:
            return None
        if self.stop_pending:
            self.stop_pending = False
            return wire.Refusal.STOP_PENDING
        if self.busy:
            return wire.Refusal.NO_CONTROL
        self.on = True
        return None

    def end(self, *, stopped: bool = False) -> None:
        """It is off from now on.

        Args:
            stopped: Whether STOP ended it and the next request is to hear of that.
        """
        self.on, self.stop_pending = False, stopped


__all__ = ["Control"]
