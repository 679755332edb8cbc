"""keyacct: the toolkit of a power utility's key-account service.

`decode` and `stats` are the doors for programs; the command line is `keyacct --help`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keyacct.analysis.month_stats import stats
    from keyacct.wire import decode

__all__ = ["decode", "stats"]


def __getattr__(name: str) -> Any:
    if name == "decode":
        from keyacct.wire import decode

        return decode
    if name == "stats":
        from keyacct.analysis.month_stats import stats

        return stats
    if name == "__version__":
        from keyacct._core import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
