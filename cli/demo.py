"""`keyacct demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli.render import say
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text, language

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Make a demo workspace and run the main job in it: replay a real meter log, import nine real months of a "
            "steel works and a synthetic town, compute voltage compliance and power factor, write month reports. "
            "Prints the files it wrote; running it again changes nothing.",
            "新建演示工作区并完整运行: 回放真实抄表报文, 导入钢铁厂九个月真实数据与合成小城数据, "
            "计算电压合格率与功率因数, 生成月报。输出所写文件; 重复运行不改变已存数据。",
        )
    ),
)
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help=str(Text("Folder of the workspace.", "工作区目录。")))
    ] = Path("keyacct-demo"),
) -> int | None:
    """Run the demo."""
    from keyacct.workflow.demo import run_demo

    for file in run_demo(folder, lang=language(), formats=("xlsx", "html"), say=say):
        sys.stdout.write(f"{file}\n")
    return None
