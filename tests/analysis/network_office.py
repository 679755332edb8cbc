"""A busbar with one incomer and two outgoing lines over a real registry, whose registers and voltages a test writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from keyacct.cli.run import run

NOW = "2026-07-05T00:00+08:00"
POINTS = {"IN": None, "H1": "L1", "H2": "L2"}


def entry(table: str, /, **fields: Any) -> str:
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items() if value is not None)
    return f"[[{table}]]\n{text}"


def registry(
    ct: str = "200/5",
    pt: str = "10000/100",
    accuracy: str | None = "0.2S",
    lines: tuple[str, ...] = ("L1", "L2"),
    more: str = "",
) -> str:
    """The busbar B1 at 10 kV; all points have the same ratios and classes."""
    text = entry("substation", substation="S") + entry("busbar", busbar="B1", substation="S", voltage_level_kv=10)
    for line in lines:
        text += entry("supply_line", supply_line=line, voltage_level_kv=10)
        text += entry("line_feed", supply_line=line, busbar="B1")
    for point, line in POINTS.items():
        text += entry("point", point=point, kind="assessment")
        text += entry("meter", meter_no=f"M{point}", accuracy_class=accuracy)
        text += entry("meter_point", meter_no=f"M{point}", point=point)
        text += entry(
            "point_ratio", point=point, wiring="3p3w", pt=pt, ct=ct, ct_accuracy=accuracy, pt_accuracy=accuracy
        )
        text += entry("point_supply", point=point, supply_line=line, busbar="B1")
        text += entry("voltage_limit", point=point, nominal_v=10000, lower_v=9300, upper_v=10700)
    return text + more


def office(
    folder: Path,
    text: str,
    secondary_kwh: dict[str, float],
    samples: list[tuple[str, str, list[list[Any]]]] | None = None,
) -> str:
    """A workspace with registers at both ends of June (kWh on the meter's side), and further sample files.

    samples: (columns as `NAME=family.column,…`, kind, rows of meter, time and values).
    """
    root = str(folder / "w")
    (folder / "registry.toml").write_text(text, encoding="utf-8")
    assert run(["init", root]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", root]) == 0
    registers = [
        [f"M{point}", at, value]
        for point, kwh in secondary_kwh.items()
        for at, value in (("2026-06-01T00:00", 5), ("2026-07-01T00:00", round(5 + kwh, 4)))
    ]
    for number, (columns, kind, rows) in enumerate([("reg=energy.import", "register", registers), *(samples or ())]):
        path = folder / f"samples{number}.csv"
        names = [part.partition("=")[0] for part in columns.split(",")]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["meter", "ts", *names], *rows])
        given = ["samples", "import", str(path), "--meter-column", "meter", "--workspace", root]
        assert run([*given, "--kind", kind, "--map", columns]) == 0
    return root


def asked(root: str, capsys: Any, *arguments: str, lang: str = "en") -> list[dict[str, Any]]:
    """The rows that a command prints for June."""
    capsys.readouterr()
    given = [*arguments, "--period", "2026-06", "--workspace", root, "--now", NOW, "--lang", lang, "--format", "json"]
    status = run(given)
    out, err = capsys.readouterr()
    assert status == 0, err
    rows: list[dict[str, Any]] = json.loads(out)
    return rows
