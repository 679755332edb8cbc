"""`keyacct decode`: frames as an annotated tree or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from keyacct.cli import exit_codes, render
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.session import command, make_app
from keyacct.errors import InputError, UsageError, from_os_error
from keyacct.i18n import Text, language

app = make_app()

_DIRECTIONS = {
    "request": Text("request", "请求"),
    "response": Text("response", "应答"),
    "downlink": Text("downlink", "下行"),
    "uplink": Text("uplink", "上行"),
}
_HEX = set("0123456789abcdefABCDEFxXhH,;:-")


@command(app)
def decode(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="HEX...|FILE|-",
            help=str(
                Text(
                    "Hex of one byte stream, a file with one run of hex a line, or - for stdin.",
                    "一段十六进制报文, 或每行一段的文件, 或 - 表示标准输入。",
                )
            ),
        ),
    ],
    protocol: Annotated[
        str,
        typer.Option("--protocol", help=str(Text("Protocol of the frames, or auto.", "报文协议, 或 auto。"))),
    ] = "auto",
    registers: Annotated[
        list[str] | None,
        typer.Option(
            "--registers",
            metavar="FILE.tsv",
            help=str(Text("Register catalogue to add (a maker's own identifiers).", "追加的数据标识表 (厂家扩展)。")),
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help=str(Text("What the Modbus devices are (sdm630 …).", "Modbus 设备型号 (sdm630 等)。")),
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> int:
    """Frames of meters and terminals, byte by byte.

    Exit 0 if every line holds a valid frame, 6 if some, 4 if none.
    """  # fmt: skip
    from keyacct import wire

    catalogue = wire.open_registers(registers or [], model=model)
    texts = wire.describe(
        _lines(words),
        protocol,
        registers=catalogue,
        fields=format is Format.table,
        chinese=language() == "zh",
    )
    valid: set[int] = set()
    seen: set[int] = set()
    for text in _write(texts, format):
        frame = json.loads(text)
        seen.add(frame["line"])
        if frame["valid"]:
            valid.add(frame["line"])
    if not seen:
        raise InputError(
            "input.empty",
            str(Text("there is no hex in the input", "输入中没有十六进制报文")),
            hint=str(
                Text(
                    "give the bytes as words, a file with one run of hex a line, or - for stdin",
                    "请给出十六进制报文, 或每行一段的文件, 或 - 表示标准输入",
                )
            ),
        )
    if len(valid) == len(seen):
        return exit_codes.DONE
    return exit_codes.PARTIAL if valid else exit_codes.INPUT


def _write(texts: Iterator[str], format: Format) -> Iterator[str]:
    """Write every object as it comes, and hand it on to be counted."""
    if format is Format.json:
        begin = "[\n  "
        for text in texts:
            sys.stdout.write(begin + text)
            begin = ",\n  "
            yield text
        sys.stdout.write("[]\n" if begin[0] == "[" else "\n]\n")
        return
    if format is Format.csv:
        kept = list(texts)
        render.write_rows([row for text in kept for row in _rows(json.loads(text))], [], format)
        yield from kept
        return
    for text in texts:
        if format is Format.jsonl:
            sys.stdout.write(text + "\n")
        else:
            _show(json.loads(text))
        yield text


def _rows(frame: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A frame as flat rows, one a value."""
    head = {key: frame.get(key) for key in ("line", "offset", "protocol", "valid", "direction", "address", "di")}
    error = frame.get("error") or {}
    head["error"] = error.get("byte") or error.get("message")
    values = list(frame.get("values") or [])
    for item in frame.get("items") or []:
        values += [{"pn": item["pn"], "fn": item["fn"], **value} for value in item["values"]]
    for value in values or [{}]:
        yield {**head, **value}


def _show(frame: dict[str, Any]) -> None:
    where = Text(f"line {frame['line']}, byte {frame['offset']}", f"第 {frame['line']} 行, 第 {frame['offset']} 字节")
    error = frame.get("error") or {}
    if not frame["valid"]:
        branches: list[render.Branch] = []
        if "hint" in error:
            branches.append((str(Text(f"likely cause: {error['hint']}", f"可能原因: {error['hint']}")), True, []))
        if "nearest" in error:
            nearest = Text(f"nearest protocol: {error['nearest']}", f"最接近的规约: {error['nearest']}")
            branches.insert(0, (str(nearest), True, []))
        title = Text(f"no valid frame: {error['message']}", f"没有有效报文: {error['message']}")
        render.write_tree(f"{where}: {title}", branches)
        return
    device = Text(f"unit {frame['unit']}", f"从站 {frame['unit']}") if "unit" in frame else frame.get("address")
    direction = _DIRECTIONS.get(frame.get("direction", ""))
    heading = " ".join(str(part) for part in (frame["protocol"], direction, device) if part)
    render.write_tree(f"{where}: {heading}", [_branch(field) for field in frame["fields"]])


def _branch(field: dict[str, Any]) -> render.Branch:
    octets = " ".join(field["hex"][n : n + 2] for n in range(0, len(field["hex"]), 2))
    children = [_branch(child) for child in field.get("fields", [])]
    place = f"{field['offset']:04d}+{field['length']}"
    label = f"{field['name']}: {field['meaning']}" if field["meaning"] else field["name"]
    mark = "" if field["explained"] else " ???"
    return (
        f"{place}  {label}{mark}" if children else f"{place}  {octets}  {label}{mark}",
        field["explained"],
        children,
    )


def _lines(words: list[str]) -> Iterator[str]:
    """Lines of hex text: from stdin, from a file, or the words themselves as one line."""
    if words == ["-"]:
        yield from _text_lines(sys.stdin.buffer, "-")
        return
    if len(words) == 1:
        path = Path(words[0])
        try:
            is_there = path.exists()
        except (OSError, ValueError):
            is_there = False
        if is_there or not set(words[0]) <= _HEX:
            try:
                with path.open("rb") as stream:
                    yield from _text_lines(stream, words[0])
            except (OSError, ValueError) as error:
                if isinstance(error, OSError):
                    raise from_os_error(error, writing=False, file=words[0]) from None
                raise UsageError(
                    "usage.invalid",
                    str(Text(f"{words[0]!r} is neither hex nor a file", f"{words[0]!r} 既不是十六进制也不是文件")),
                ) from None
            return
    yield " ".join(words)


def _text_lines(stream: Any, name: str) -> Iterator[str]:
    longest = 64 << 20
    number = offset = 0
    while raw := stream.readline(longest):
        number += 1
        if len(raw) == longest:
            raise InputError(
                "input.limit",
                str(Text(f"a line is longer than {longest >> 20} MiB", f"有一行超过 {longest >> 20} MiB")),
                where={"file": name, "line": number, "offset": offset},
                hint=str(
                    Text(
                        "this is no hex text; a binary capture is for `keyacct replay`",
                        "这不是十六进制文本; 二进制记录请用 `keyacct replay`",
                    )
                ),
            )  # fmt: skip
        if b"\0" in raw:
            raise InputError(
                "input.format",
                str(Text("this is no text: it holds NUL bytes", "这不是文本: 含有 NUL 字节")),
                where={"file": name, "line": number, "offset": offset + raw.index(0)},
                hint=str(
                    Text(
                        "write the bytes as hex, one stream a line; a binary capture is for `keyacct replay`",
                        "请写成十六进制, 每行一段; 二进制记录请用 `keyacct replay`",
                    )
                ),
            )  # fmt: skip
        offset += len(raw)
        yield raw.decode("utf-8-sig", errors="replace").rstrip("\r\n")
