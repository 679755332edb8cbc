"""The one interface to a line: bytes out, bytes in until a deadline, whatever lies between us and the meter."""

from __future__ import annotations

from typing import Protocol

from keyacct.errors import LinkError
from keyacct.i18n import Text


class Transport(Protocol):
    """A line that can be opened. Deadlines are instants of `time.monotonic`, and they are kept.

    Every method but `close` raises LinkError when the line is gone; then it must be closed and may be opened again.
    """

    @property
    def place(self) -> str:
        """Where the line is, as messages say it."""

    def open(self, timeout_s: float) -> None:
        """Open the line within the time."""

    def write(self, data: bytes, deadline: float) -> None:
        """Send all of the bytes before the deadline."""

    def read(self, deadline: float) -> bytes:
        """What has come, at least one byte; nothing when the deadline passes first."""

    def close(self) -> None:
        """Close the line. Never fails; may be called twice."""


def link_error(place: str, message: Text, hint: Text) -> LinkError:
    """The error of a line: what happened to it, and what to try."""
    return LinkError("link.failed", f"{place}: {message}", hint=str(hint), where={})


def lost(place: str, reason: str = "") -> LinkError:
    """The error of a line that broke while it was in use."""
    because = f" ({reason})" if reason else ""
    return link_error(
        place,
        Text(f"the line went away while it was in use{because}", f"通信线路在使用中断开{because}"),
        Text(
            "check that the cable or adapter is plugged in and the gateway has power, then run again",
            "请检查线缆、转换器是否插好, 网关是否有电, 然后重试",
        ),
    )
