"""The only place that reads the wall clock. `--now` and `KEYACCT_NOW` set it, so every run can be repeated."""

from __future__ import annotations

import datetime as dt
import os

from keyacct.errors import UsageError

ENVIRONMENT = "KEYACCT_NOW"
_fixed: dt.datetime | None = None


def parse(text: str) -> dt.datetime:
    """An instant from ISO 8601 with an offset (`2026-07-01T08:00+08:00`, `…Z`); a bare time is taken as UTC.

    Raises UsageError when the text is no instant.
    """
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "usage.invalid", f"{text!r} is no ISO 8601 time", hint="write for example 2026-07-01T08:00+08:00"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def fix(text: str | None) -> None:
    """Stop the clock at an instant; None lets it run again (or stand at `KEYACCT_NOW`, where that is set)."""
    global _fixed
    _fixed = parse(text) if text is not None else None


def is_fixed() -> bool:
    """Whether the clock stands still: then it says what somebody wished, and no device may be set by it."""
    return _fixed is not None or bool(os.environ.get(ENVIRONMENT))


def now() -> dt.datetime:
    """The present instant, UTC, whole milliseconds."""
    instant = _fixed
    if instant is None:
        set_by_environment = os.environ.get(ENVIRONMENT)
        instant = parse(set_by_environment) if set_by_environment else dt.datetime.now(dt.UTC)
    instant = instant.astimezone(dt.UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def now_ms() -> int:
    """The present instant as UTC milliseconds since 1970."""
    return int(now().timestamp() * 1000)
