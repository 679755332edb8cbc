"""Figures in the text form of Prometheus, shown: as a file for its textfile collector, at a port, both or nowhere."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from keyacct.errors import LinkError, from_os_error


class MetricsPage:
    """What was shown last. The port is one of this machine only: a collector elsewhere asks through its own agent."""

    def __init__(self, file: Path | None = None, port: int | None = None) -> None:
        """Raises LinkError when the port cannot be had."""
        self._file = file
        self._text = ""
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
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

    @property
    def shown(self) -> bool:
        """Whether anybody can see it."""
        return self._file is not None or self._server is not None

    def show(self, text: str) -> None:
        """Take these figures in place of the last. Raises WriteError."""
        self._text = text
        if self._file is not None:
            write_textfile(self._file, text)

    def close(self) -> None:
        """Show nothing any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def write_textfile(path: Path, text: str) -> None:
    """Figures into a file, whole or not at all. Raises WriteError."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise from_os_error(error, writing=True, file=str(path)) from None


def label(text: str) -> str:
    """A label's value, escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
