"""How many lines this process may hold open."""

from __future__ import annotations

import resource

FILES_A_LINE = 2
"""The connection or port, and the lock of the line; the thread has none."""
SPARE_FILES = 96
"""For the database, segments under way, capture, logs."""


def raise_limit(needed: int) -> int:
    """Raise the number of files that this process may hold to `needed`, as far as the system allows.

    Gives how many it may hold now (`resource.RLIM_INFINITY` where there is no limit).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def allow_lines(wanted: int) -> int:
    """Raise the number of files that may be open to what so many lines need; how many lines fit, at least one."""
    soft = raise_limit(wanted * FILES_A_LINE + SPARE_FILES)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(min(wanted, (soft - SPARE_FILES) // FILES_A_LINE), 1)
