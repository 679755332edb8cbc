"""A scan of one line in all the settings that may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keyacct.capture.items import PROTOCOLS
from keyacct.capture.line import Line
from keyacct.capture.link import Link
from keyacct.capture.scan import SERIAL_SETTINGS, Found, Silence, scan_line, variants
from keyacct.errors import UsageError
from keyacct.i18n import Text


@dataclass
class ScanResult:
    """Devices that answered; settings in which bytes came that are no frame; how many settings were tried."""

    found: list[Found] = field(default_factory=list)
    noisy: list[Silence] = field(default_factory=list)
    settings: int = 0


def scan_link(
    link: Link,
    protocols: Sequence[str] | None = None,
    *,
    sweep: bool = False,
    units: str | None = None,
    timeout_s: float | None = None,
    everything: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ScanResult:
    """What answers. Raises UsageError, LinkError when the line does not open."""
    asked = [link.protocol] if link.protocol else list(protocols or ("dlt645-2007", "dlt645-1997"))
    for protocol in asked:
        if protocol not in PROTOCOLS:
            raise UsageError(
                "usage.invalid",
                str(Text(f"{protocol!r} cannot be scanned for", f"不能搜索 {protocol!r}")),
                hint=str(Text(f"choose of {', '.join(PROTOCOLS)}", f"可选 {', '.join(PROTOCOLS)}")),
            )
    wanted = _units(units)
    unsaid = link.kind == "serial" and "baud=" not in link.url and "parity=" not in link.url
    settings = SERIAL_SETTINGS if sweep or unsaid else None
    result = ScanResult()
    for variant in variants(link, settings):
        line = Line(variant, timeout_s=timeout_s if timeout_s is not None else _patience(variant))
        try:
            line.open()
            for protocol in asked:
                result.settings += 1

                def told(text: str, protocol: str = protocol, url: str = variant.url) -> None:
                    if progress is not None:
                        progress(f"{url} {protocol} {text}")

                for answer in scan_line(line, protocol, units=wanted, progress=told):
                    if isinstance(answer, Found):
                        result.found.append(answer)
                    elif answer.noise:
                        result.noisy.append(answer)
        finally:
            line.close()
        if result.found and not everything:
            break
    return result


def _patience(link: Link) -> float:
    """A short answer's time: a scan asks often, and asks for few bytes."""
    return link.answer_s(40) if link.timed else 1.5


def _units(text: str | None) -> list[int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,3})(?:\.\.(\d{1,3}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match is not None else (0, 0)
    if not 1 <= first <= last <= 247:
        raise UsageError(
            "usage.invalid",
            str(Text(f"--unit {text!r} is no unit", f"--unit {text!r} 不是站号")),
            hint=str(Text("write 5 or 1..32; units go to 247", "应写作 5 或 1..32, 最大 247")),
        )
    return list(range(first, last + 1))
