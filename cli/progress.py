"""A bar on stderr while long work goes on; nothing where stderr is no terminal or the user asked for quiet."""

from __future__ import annotations

import shutil
import sys
import time

from keyacct.cli import session

WIDTH = 30
LEAST_APART_S = 0.1


class Bar:
    """Call it with (done, total); `close` takes the line away."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.shown = sys.stderr.isatty() and session.current().verbosity >= 0
        self.last = 0.0
        self.began = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is."""
        now = time.monotonic()
        if not self.shown or total <= 0 or (done < total and now - self.last < LEAST_APART_S):
            return
        self.last = now
        filled = WIDTH * done // total
        left = f" {(now - self.began) * (total - done) / done:.0f} s" if 0 < done < total else ""
        line = f"{self.label} [{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total}{left}"
        sys.stderr.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self.shown and self.last:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
