"""Advice to EPU: proposals of any kind, as decisions on one session of its decision service."""

from typing import Any
from uuid import UUID

from pydantic import ValidationError

from structloop.core.errors import NotCapableError
from structloop.instruments.epu.decision_shapes import DECISIONS, Decision, DecisionType, RawDecision
from structloop.instruments.epu.decisions import DecisionClient, Posted
from structloop.instruments.microscope import Advised


class ServiceAdvice:
    """Advice to EPU on one session, through the decision service; see `Advice`.

    Args:
        client: To the service.
        session: Name of the session, as `EpuSession.dm` has it, or its id there; None takes the one that EPU runs.
    """

    def __init__(self, client: DecisionClient, session: str | None = None) -> None:
        self._client = client
        self._named = session
        self._session: UUID | None = None
        self.posted: list[Posted] = []

    async def advise(self, advised: Advised) -> None:
        """Post a decision. `subject` is the area's id in the service, which is EPU's own id of the square or hole.

        Raises:
            NotCapableError: there is no such decision, or its body lacks something.
            InstrumentError: as `DecisionClient.post`.
        """
        decision = decision_of(advised)
        self.posted.append(await self._client.post(await self.session(), decision))

    async def session(self) -> UUID:
        """The session that is advised on."""
        if self._session is None:
            self._session = await self._find_session()
        return self._session

    async def _find_session(self) -> UUID:
        if self._named is not None:
            try:
                return UUID(self._named)
            except ValueError:
                return (await self._client.session_named(self._named)).sessionId
        running = (await self._client.application_state()).sessionId
        if running is not None:
            return running
        sessions = await self._client.sessions()
        if len(sessions) != 1:
            names = ", ".join(sorted(str(session.sessionName) for session in sessions)) or "none"
            raise NotCapableError(
                f"EPU does not say which session it runs; name one of the decision service's with session=...: {names}"
            )
        return sessions[0].sessionId


def decision_of(advised: Advised) -> Decision:
    """The decision that a proposal stands for; `{"text": "..."}` as its body is sent as it is.

    Raises:
        NotCapableError: there is no such decision, or its body lacks something; the message says what.
    """
    try:
        kind = DecisionType(advised.decision)
    except ValueError as error:
        known = ", ".join(DecisionType)
        raise NotCapableError(f"EPU knows no decision '{advised.decision}'; there are: {known}") from error
    shape: type[Any] = RawDecision if "text" in advised.body else DECISIONS[kind]
    given = {**advised.body, "decision": kind, "area": advised.subject}
    try:
        decision: Decision = shape.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise NotCapableError(
            f"the body of {kind.value} on area '{advised.subject}' does not fit: {problems}"
        ) from error
    return decision


__all__ = ["ServiceAdvice", "decision_of"]
