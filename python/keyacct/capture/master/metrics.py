"""Figures of the station in the text form of Prometheus: as a file for a collector, or at a port."""

from __future__ import annotations

from pathlib import Path

from keyacct.capture.master.station import Station
from keyacct.capture.metrics_page import MetricsPage


def exposition(station: Station) -> str:
    """The figures, one a line."""
    gauges = {
        "connections": len(station.front.connections), "terminals": len(station.sessions), "asked": station.busy,
    }  # fmt: skip
    lines = []
    for name, value in gauges.items():
        lines += [f"# TYPE keyacct_listen_{name} gauge", f"keyacct_listen_{name} {value}"]
    lines.append("# TYPE keyacct_listen_total counter")
    lines += [f'keyacct_listen_total{{what="{what}"}} {count}' for what, count in sorted(station.counts.items())]
    return "\n".join(lines) + "\n"


class Metrics:
    """Shows the figures in a file, at a port of this machine, both or nowhere."""

    def __init__(self, file: Path | None = None, port: int | None = None) -> None:
        """Raises LinkError when the port cannot be had."""
        self._page = MetricsPage(file, port)
        self.port = self._page.port

    def show(self, station: Station) -> None:
        """Take the present figures. Raises WriteError."""
        if self._page.shown:
            self._page.show(exposition(station))

    def close(self) -> None:
        """Show nothing any more."""
        self._page.close()
