"""What one peer, and all of them, may take of the master station."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from keyacct.capture.open_files import raise_limit
from keyacct.config import ListenSettings
from keyacct.errors import UsageError

LONGEST_FRAME = {"gdw1376.1": 16_384, "dlt698.45": 2048}
"""Bytes that a frame of a terminal may have at most, by protocol."""
_USUAL = ListenSettings.model_construct()


@dataclass(frozen=True)
class Limits:
    """Limits of the listener. Times in seconds, sizes in bytes; `[listen]` of the settings has each with its source.

    connections: at once, known and unknown. new_per_address: of one network address that have not logged in (an
    operator's network shows thousands of terminals behind one address: raise it there). known_share: of the
    connections kept for addresses from which a known terminal has come before. login_s, frame_s: from the connection
    to the log-in, from the first byte of a frame to its last. heartbeat_s: what the terminals are set to; silent for
    three of them, a connection is closed. frame: the longest frame, None for the protocol's (16 KiB for 1376.1, 2 KiB
    for 698.45). junk: bytes without any frame after which the peer is dropped. frames_per_s: of one terminal.
    unsent: bytes that wait for a peer that does not read. answer_s, tries: of a request. challenge_s: how long an
    older session may take to prove that it is alive. takeovers: so many of one terminal within quarantine_s put it
    under quarantine for as long.
    """

    connections: int = _USUAL.connections
    new_per_address: int = _USUAL.new_per_address
    known_share: float = _USUAL.known_share
    login_s: float = _USUAL.login_s
    frame_s: float = _USUAL.frame_s
    heartbeat_s: float = _USUAL.heartbeat_s
    frame: int | None = None
    junk: int = _USUAL.junk_bytes
    frames_per_s: int = _USUAL.frames_per_s
    unsent: int = _USUAL.unsent_bytes
    answer_s: float = _USUAL.answer_s
    tries: int = _USUAL.tries
    challenge_s: float = _USUAL.challenge_s
    takeovers: int = _USUAL.takeovers
    quarantine_s: float = _USUAL.quarantine_s

    @classmethod
    def of(cls, settings: ListenSettings, **given: float | None) -> Limits:
        """The limits of a workspace's settings; what is given (and not None) goes before them."""
        told = settings.model_dump()
        told |= {"junk": told.pop("junk_bytes"), "unsent": told.pop("unsent_bytes")}
        return cls(**(told | {name: value for name, value in given.items() if value is not None}))

    @property
    def idle_s(self) -> float:
        """Silence after which a connection is closed."""
        return 3 * self.heartbeat_s


def allow_files(connections: int) -> int:
    """Raise the number of files that this process may hold to what `connections` need; gives how many fit.

    Raises UsageError when the system does not allow so many.
    """
    spare = 64
    soft = raise_limit(connections + spare)
    if soft != resource.RLIM_INFINITY and soft < connections + spare:
        raise UsageError(
            "usage.invalid",
            f"{connections} connections need {connections + spare} open files, the system allows {soft}",
            hint=f"ask for at most {soft - spare} (--connections), or raise `ulimit -n` (LimitNOFILE of the service)",
        )
    return soft - spare
