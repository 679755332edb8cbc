"""`keyacct simulate`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import write_output
from keyacct.cli.render import say
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.simulation.description import Description

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Simulated meters (DL/T 645, Modbus) on TCP ports or ptys, and terminals (Q/GDW 1376.1, DL/T 698.45) that "
            "dial in to a master, from a TOML file. The first line on stdout says where everything is. Runs until "
            "stopped. They obey every control command: they are nobody's breakers.",
            "按 TOML 文件模拟电表 (DL/T 645、Modbus; TCP 端口或伪终端) 与拨入主站的终端 (1376.1、698.45)。"
            "标准输出首行给出各线路位置。运行到被停止。模拟设备执行一切控制命令。",
        )
    ),
)
def simulate(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help=str(Text("What to simulate.", "模拟设备描述。")))],
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0.0, help=str(Text("Stop by itself.", "定时结束。")))
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option("--registry", metavar="FILE.toml",
                     help=str(Text("Write lines and meters for `registry import`.", "写出线路与电表台账, 可导入。"))),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", metavar="FILE.jsonl",
                     help=str(Text("At the end: what is wrong with each meter, what it was asked and said.",
                                   "结束时写出各表的实情: 故障、被召测次数、所答数值。"))),
    ] = None,
) -> int | None:  # fmt: skip
    """Simulate devices."""
    from keyacct.capture.master.limits import allow_files
    from keyacct.simulation.description import load_description

    description = load_description(file)
    allow_files(len(description.lines) * 3 + len(description.terminals))
    stopped = asyncio.run(_run(description, seconds, registry, truth))
    return exit_codes.INTERRUPTED if stopped == signal.SIGINT else exit_codes.DONE


async def _run(description: Description, seconds: float | None, registry: Path | None, truth: Path | None) -> int:
    from keyacct.simulation import account
    from keyacct.simulation.park import Park

    park = Park(description)
    over = asyncio.Event()
    got: list[int] = []
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        got.append(number)
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await park.start()
        if registry is not None:
            write_output(registry, account.registry_text(park))
        ready: dict[str, Any] = {
            "ready": True,
            "lines": [{"place": place.place, "meters": list(place.meters)} for place in park.places],
            "terminals": len(park.devices),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), seconds)
    finally:
        await park.stop()
        if truth is not None:
            write_output(truth, "".join(line + "\n" for line in account.truth(park)))
    asked = sum(meter.asked for line in description.lines for meter in line.meters)
    say(Text(f"{asked} requests reached a meter", f"电表收到 {asked} 个请求"))
    return got[0] if got else 0
