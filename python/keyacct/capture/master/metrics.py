"""Figures of the station in the text form of Prometheus: as a file for a collector, or at a port."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from keyacct.capture.master.station import Station
from keyacct.errors import LinkError, from_os_error


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
        self._file = file
        self._text = ""
        self._server: ThreadingHTTPServer | None = None
        if port is None:
            return
        shown = self

        class Page(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                body = shown._text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Page)
        except OSError as error:
            raise LinkError(
                "link.failed", f"cannot show figures on 127.0.0.1:{port}: {error.strerror}", hint="choose another port"
            ) from None
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(self, station: Station) -> None:
        """Take the present figures. Raises WriteError."""
        if self._file is None and self._server is None:
            return
        self._text = exposition(station)
        if self._file is not None:
            staged = self._file.with_name(f".{self._file.name}.new")
            try:
                staged.write_text(self._text, encoding="utf-8")
                staged.replace(self._file)
            except OSError as error:
                raise from_os_error(error, writing=True, file=str(self._file)) from None

    def close(self) -> None:
        """Show nothing any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
