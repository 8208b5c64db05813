"""Logs: structured, to standard error, readable on a terminal and JSON elsewhere if asked. Secrets are masked."""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_SECRET_KEYS = ("password", "token", "secret", "authorization", "api_key")
# Libraries that log what they also raise, and we tell with the file's name and the remedy.
_SAID_OTHERWISE = ("tifffile",)
_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^:/@\s]*):[^@/\s]+@")


def mask_secrets(text: str) -> str:
    """`text` with the passwords of any URLs in it replaced by `***`."""
    return _URL_PASSWORD.sub(r"\g<head>:***@", text)


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if any(word in key.lower() for word in _SECRET_KEYS):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = mask_secrets(value)
    return event


def _to_standard_error(*_names: str) -> structlog.WriteLogger:
    """A writer to what standard error is now: it may have been replaced, and closed, since the logs were set up."""
    return structlog.WriteLogger(sys.stderr)


def configure_logging(level: str = "warning", style: Literal["console", "json"] = "console") -> None:
    """Sets up structlog for the process. `level` is a name of the logging module, any case."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor
    if style == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_to_standard_error,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=number, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
    for name in _SAID_OTHERWISE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module; pass `__name__`."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


if not structlog.is_configured():
    # structlog's own default writes every message to standard output, where a library has no business.
    structlog.configure(
        processors=[_mask, *structlog.get_config()["processors"]],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=_to_standard_error,
    )

__all__ = ["configure_logging", "get_logger", "mask_secrets"]
