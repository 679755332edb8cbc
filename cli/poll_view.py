"""How far a round of polling is: a live line on a terminal, lines of JSON elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from keyacct import clock
from keyacct.cli import session
from keyacct.i18n import Text
from keyacct.model import civil

if TYPE_CHECKING:
    import zoneinfo

    from keyacct.workflow.poll_round import Progress

LOG_EVERY_S = 10.0
_REFRESH_HZ = 4.0
_LEAST_BAR = 10


def log(event: str, **values: Any) -> None:
    """One event as a line of JSON on stderr."""
    from keyacct.workflow.poll_status import log_line

    if session.current().verbosity >= 0:
        sys.stderr.write(log_line(event, **values) + "\n")
        sys.stderr.flush()


def parts_of(progress: Progress, zone: zoneinfo.ZoneInfo) -> list[str]:
    """What is told, the most important first: meters done, failures, what is left, rate, the oldest due time."""
    left = progress.items - progress.done
    told = [
        Text(f"{progress.meters_done}/{progress.meters} meters", f"{progress.meters_done}/{progress.meters} 表"),
        Text(f"{progress.failed} failed", f"失败 {progress.failed}"),
        Text(f"{left} left", f"剩余 {left} 项"),
        Text(f"{progress.rate_per_s:.0f}/s", f"{progress.rate_per_s:.0f} 项/秒"),
    ]
    if progress.oldest_due_ms is not None:
        oldest = civil(progress.oldest_due_ms, zone)
        same_day = oldest.date() == clock.now().astimezone(zone).date()
        at = f"{oldest:%H:%M}" if same_day else f"{oldest:%Y-%m-%d %H:%M}"
        told.append(Text(f"oldest due {at}", f"最早到期 {at}"))
    return [str(text) for text in told]


def line_of(progress: Progress, zone: zoneinfo.ZoneInfo, width: int) -> str:
    """One line that fits the width: a bar where there is room, and as many parts as go in."""
    from rich.cells import cell_len

    line = ""
    for part in parts_of(progress, zone):
        longer = f"{line}  {part}" if line else part
        if cell_len(longer) > width:
            break
        line = longer
    room = width - cell_len(line) - 1
    if room < _LEAST_BAR:
        return line
    cells = min(room, 30)
    filled = cells * progress.done // max(progress.items, 1)
    return "━" * filled + "╌" * (cells - filled) + " " + line


class PollView:
    """Call it with every finished item; `pulse` about once a second; `close` at the end."""

    def __init__(self, zone: zoneinfo.ZoneInfo) -> None:
        self.zone = zone
        self.progress: Progress | None = None
        self.logged = time.monotonic()
        self._live: Any = None
        if sys.stderr.isatty() and session.current().verbosity >= 0:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, no_color=not session.current().color, highlight=False)
            self._live = Live(
                console=console, get_renderable=lambda: self._line(console.width), transient=True,
                refresh_per_second=_REFRESH_HZ,
            )  # fmt: skip
            self._live.start()

    def _line(self, width: int) -> Any:
        import rich.text

        told = "" if self.progress is None else line_of(self.progress, self.zone, width - 1)
        return rich.text.Text(told, no_wrap=True, overflow="crop")

    def __call__(self, progress: Progress) -> None:
        """One more item is finished."""
        self.progress = progress
        if self._live is None and time.monotonic() - self.logged >= LOG_EVERY_S:
            self.pulse(progress)

    def pulse(self, progress: Progress) -> None:
        """The round goes on, perhaps without any item being finished."""
        self.progress = progress
        if self._live is None and time.monotonic() - self.logged >= LOG_EVERY_S:
            self.logged = time.monotonic()
            oldest = progress.oldest_due_ms
            log(
                "poll_progress", items=progress.items, done=progress.done, failed=progress.failed,
                left=progress.items - progress.done, meters=progress.meters, meters_done=progress.meters_done,
                rate_per_s=round(progress.rate_per_s, 1),
                oldest_due=None if oldest is None else civil(oldest, self.zone).isoformat(),
            )  # fmt: skip

    def close(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None
