"""The command tree, and the one place where an error becomes an exit code.

Everything is imported late: `keyacct --version` must not pay for typer, `keyacct --help` not for the commands.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with the published exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if argv == ["--version"]:
        from keyacct._core import __version__

        sys.stdout.write(f"keyacct {__version__}\n")
        sys.exit(0)
    import gc

    # What start-up makes stays to the end; looking through it for garbage again and again is a tenth of its time.
    gc.set_threshold(50_000, 20, 20)
    from keyacct.cli.run import run

    status = run(argv)
    if _leaves_nothing():
        import os

        sys.stderr.flush()
        os._exit(status)  # taking the process apart takes as long as starting it
    sys.exit(status)


def _leaves_nothing() -> bool:
    from keyacct.cli import session

    return session.ended().leaves_nothing


__all__ = ["main"]
