"""The transport that belongs to a link."""

from __future__ import annotations

from keyacct.capture.link import Link
from keyacct.capture.serial import SerialTransport
from keyacct.capture.tcp import TcpTransport
from keyacct.capture.transport import Transport


def open_transport(link: Link, *, connect_s: float = 10.0) -> Transport:
    """The transport of a link, opened. Raises LinkError with a sentence and what to try."""
    transport = make_transport(link)
    transport.open(connect_s)
    return transport


def make_transport(link: Link) -> Transport:
    """The transport of a link, not yet opened."""
    return TcpTransport(link.host, link.port) if link.kind == "socket" else SerialTransport(link)
