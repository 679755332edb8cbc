"""What one peer, and all of them, may take of the master station."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from keyacct.capture.open_files import raise_limit
from keyacct.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """Limits of the listener. Times in seconds, sizes in bytes; all [D] but where a source is named.

    connections: at once, known and unknown. new_per_address: of one network address that have not logged in (an
    operator's network shows thousands of terminals behind one address: raise it there). known_share: of the
    connections kept for addresses from which a known terminal has come before. login_s, frame_s: from the connection
    to the log-in, from the first byte of a frame to its last. heartbeat_s: what the terminals are set to; silent for
    three of them, a connection is closed. frame: the longest frame, None for the protocol's (16 KiB for 1376.1, 2 KiB
    for 698.45). junk: bytes without any frame after which the peer is dropped. frames_per_s: of one terminal.
    unsent: bytes that wait for a peer that does not read. answer_s, tries: of a request (response wait of 1376.1
    over GPRS: 10 s, three times). challenge_s: how long an older session may take to prove that it is alive.
    takeovers: so many of one terminal within quarantine_s put it under quarantine for as long.
    """

    connections: int = 2000
    new_per_address: int = 20
    known_share: float = 0.10
    login_s: float = 10.0
    frame_s: float = 5.0
    heartbeat_s: float = 300.0
    frame: int | None = None
    junk: int = 65_536
    frames_per_s: int = 50
    unsent: int = 65_536
    answer_s: float = 10.0
    tries: int = 3
    challenge_s: float = 5.0
    takeovers: int = 3
    quarantine_s: float = 600.0

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
