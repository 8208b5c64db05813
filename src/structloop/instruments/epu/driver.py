"""The driver `epu`: a session's folder as a microscope that is observed and, with a decision service, advised."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from structloop.core.errors import NotCapableError
from structloop.instruments.drivers import ScopeAddress
from structloop.instruments.epu.advising import ServiceAdvice
from structloop.instruments.epu.decisions import DecisionClient
from structloop.instruments.epu.observing import EpuObservation, Following, check_folder, now
from structloop.instruments.microscope import Parts
from structloop.schema.acquisition import Capability, MicroscopeDescription, MicroscopeState, Tier

_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "follow": "yes: go on with what comes after what is there; no (as without it): end there",
        "settle": "seconds that a file must have kept its size before it is read, while following (2)",
        "patience": "seconds that an image waits for its missing files and for what it lies in (120)",
        "quiet": "seconds without any change after which a followed session has ended (never)",
        "poll": "yes: look through the folders again and again; no: listen to the system (found out)",
        "decisions": "address of the decision service, such as http://127.0.0.1:8080",
        "session": "name or id of the decision service's session that is advised on (the one EPU runs)",
        "dry-run": "yes: decisions are kept and not posted",
    }
)
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class EpuMicroscope:
    """An EPU session. See `Microscope`.

    Args:
        root: The session's folder, or one that holds it and its atlas.
        following: How it is followed.
        service: Address of the decision service; None where EPU is only observed.
        session: Which of the service's sessions is advised on.
        dry_run: Post no decision.
    """

    def __init__(
        self,
        root: Path,
        following: Following,
        *,
        service: str | None = None,
        session: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self._root = root
        self._following = following
        self._service = service
        self._session = session
        self._dry_run = dry_run
        self._client: DecisionClient | None = None
        self._observation: EpuObservation | None = None
        self._advice: ServiceAdvice | None = None

    @property
    def description(self) -> MicroscopeDescription:
        """What it is."""
        tier = Tier.OBSERVE if self._service is None else Tier.ADVISE
        return MicroscopeDescription(name=self._root.name or "EPU", driver="epu", tier=tier)

    @property
    def parts(self) -> Parts:
        """What it is seen and advised through."""
        return Parts(observation=self._observation, advice=self._advice)

    async def connect(self) -> None:
        """See that the folder is there, and that the decision service answers.

        Raises:
            InstrumentConnectionError, InstrumentTimeoutError, InstrumentFaultError: one of them is not.
        """
        if self._observation is not None:
            return
        await asyncio.to_thread(check_folder, self._root)
        if self._service is not None:
            self._client = DecisionClient(self._service, dry_run=self._dry_run)
            try:
                await self._client.application_state()
            except BaseException:
                await self._client.close()
                self._client = None
                raise
            self._advice = ServiceAdvice(self._client, self._session)
        self._observation = EpuObservation(self._root, self._following)

    async def close(self) -> None:
        """Stop looking; EPU goes on as it was."""
        if self._observation is not None:
            self._observation.stop()
        if self._client is not None:
            await self._client.close()
        self._client = self._observation = self._advice = None

    async def state(self) -> MicroscopeState:
        """Where the stage was, and what was set, when the image that was observed last was taken."""
        latest = self._observation.latest if self._observation is not None else None
        if latest is None:
            return MicroscopeState(at=now())
        return MicroscopeState(at=now(), stage=latest.stage, preset=latest.preset, defocus_um=latest.defocus_um)

    async def abort(self) -> None:
        """End the following; EPU itself cannot be stopped from here."""
        if self._observation is not None:
            self._observation.stop()


@dataclass(frozen=True)
class EpuDriver:
    """Opens EPU sessions: `epu:///data/session?follow=yes&decisions=http://127.0.0.1:8080`."""

    name: str = "epu"
    tier: Tier = Tier.ADVISE
    capabilities: frozenset[Capability] = frozenset({Capability.OBSERVATION, Capability.ADVICE})
    summary: str = "EPU, observed through the files of a session; advised through its decision service (Smart EPU)"
    options: Mapping[str, str] = field(default_factory=lambda: _OPTIONS)

    def open(self, address: ScopeAddress) -> EpuMicroscope:
        """See `Driver.open`.

        Raises:
            NotCapableError: the address has no folder, names a host, or has an impossible value.
        """
        if address.host or not address.path or address.path == "/":
            raise NotCapableError(f"'{address}' names no folder; write epu:///data/session, with three slashes")
        options = address.options
        following = Following(
            is_live=_yes_no(options, "follow") or False,
            settle_s=_seconds(options, "settle", 2.0) or 0.0,
            patience_s=_seconds(options, "patience", 120.0) or 0.0,
            poll=_yes_no(options, "poll"),
            quiet_s=_seconds(options, "quiet", None),
        )
        if "decisions" not in options:
            for option in ("session", "dry-run"):
                if option in options:
                    raise NotCapableError(f"option '{option}' is for advice; add decisions=http://host:port")
        return EpuMicroscope(
            Path(address.path),
            following,
            service=_service(options),
            session=options.get("session"),
            dry_run=_yes_no(options, "dry-run") or False,
        )


def _service(options: Mapping[str, str]) -> str | None:
    address = options.get("decisions")
    if address is not None and not address.startswith(("http://", "https://")):
        raise NotCapableError(f"decisions={address} is no address of a decision service; write http://host:port")
    return address


def _yes_no(options: Mapping[str, str], name: str) -> bool | None:
    if name not in options:
        return None
    value = _YES_NO.get(options[name].lower())
    if value is None:
        raise NotCapableError(f"{name}={options[name]} is neither yes nor no")
    return value


def _seconds(options: Mapping[str, str], name: str, default: float | None) -> float | None:
    if name not in options:
        return default
    try:
        value = float(options[name])
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise NotCapableError(f"{name}={options[name]} is no number of seconds")
    return value


__all__ = ["EpuDriver", "EpuMicroscope"]
