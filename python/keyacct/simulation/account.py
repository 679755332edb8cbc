"""What a park tells about itself: its lines and meters as a registry, and the truth about every meter."""

from __future__ import annotations

import json
from collections.abc import Iterator

from keyacct.simulation.park import Park
from keyacct.simulation.trouble import TROUBLES


def meter_name(line: int, protocol: str, address: str) -> str:
    """The number that the registry gives a meter: its address, with Modbus also its line."""
    return f"{line}-{address}" if protocol.startswith("modbus") else address


def registry_text(park: Park) -> str:
    """Lines and meters of a park in the registry's TOML form, for `keyacct registry import`."""
    parts = ["# Simulated lines and meters.\n"]
    for place in park.places:
        meters = park.description.lines[place.line].meters
        scheme = "modbus+tcp" if meters[0].protocol == "modbus-tcp" else "socket"
        link = place.place if place.place.startswith("/") else f"{scheme}://{place.place}"
        parts.append(f'[[poll_line]]\npoll_line = "sim-{place.line}"\nlink = "{link}"\n')
        for meter in meters:
            name = meter_name(place.line, meter.protocol, meter.address)
            model = 'register_model = "sdm630"\n' if meter.protocol.startswith("modbus") else ""
            parts.append(
                f'[[meter]]\nmeter_no = "{name}"\nprotocol = "{meter.protocol}"\naddress = "{meter.address}"\n'
                f'[[meter_link]]\nmeter_no = "{name}"\npoll_line = "sim-{place.line}"\n{model}'
            )
    return "\n".join(parts)


def truth(park: Park) -> Iterator[str]:
    """One line of JSON a meter: what is wrong with it, the cause a poller should find, what it was asked and said."""
    for number, line in enumerate(park.description.lines):
        for meter in line.meters:
            yield json.dumps({
                "meter": meter_name(number, meter.protocol, meter.address), "line": f"sim-{number}",
                "cause": TROUBLES[meter.trouble] if meter.trouble else None, "slow": meter.habits.late >= 1,
                "stumbling": meter.stumbling, "asked": meter.asked, "answered": meter.answered, "said": meter.said,
            })  # fmt: skip
