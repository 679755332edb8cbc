"""How many lines this process may hold open."""

from __future__ import annotations

import resource

FILES_A_LINE = 2
"""The connection or port, and the lock of the line; the thread has none."""
SPARE_FILES = 96
"""For the database, segments under way, capture, logs."""


def allow_lines(wanted: int) -> int:
    """Raise the number of files that may be open to what so many lines need; how many lines fit, at least one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * FILES_A_LINE + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(min(wanted, (soft - SPARE_FILES) // FILES_A_LINE), 1)
