"""Meters asked on a line, without a workspace: readings, rows, and what failed with its cause."""

from __future__ import annotations

import csv
import json
import os
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct.capture.asking import Answer, check_address
from keyacct.capture.items import Item, ItemCatalogue
from keyacct.capture.line import Line
from keyacct.capture.link import Link, parse_link
from keyacct.capture.opening import make_transport
from keyacct.capture.poller import Finished, LineWork, Poller, Task
from keyacct.capture.readings import read_answers, rows_of
from keyacct.capture.trace import Trace, TracingTransport
from keyacct.errors import UsageError, from_os_error
from keyacct.i18n import Text
from keyacct.secrets import SecretSource

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_ZONE = "Asia/Shanghai"
COLUMNS = ("meter", "time", "quantity", "phase", "tariff", "value", "unit", "quality")


@dataclass(frozen=True)
class Question:
    """An ad-hoc poll: where, in which protocol, whom, what. timeout_s None: by the line's speed.

    secret: where the password of the devices is.
    """

    link: Link
    protocol: str
    addresses: tuple[str, ...]
    items: tuple[Item, ...]
    timeout_s: float | None = None
    retries: int = 2
    trace: str | None = None
    registers: tuple[str, ...] = ()
    secret: SecretSource | None = None


@dataclass
class PollResult:
    """What came of a poll: every item of every meter once. interrupted: it was stopped before its end."""

    answers: list[Answer] = field(default_factory=list)
    readings: pa.Table | None = None
    interrupted: bool = False

    @property
    def good(self) -> list[Answer]:
        """Answers that hold values."""
        return [answer for answer in self.answers if answer.failure is None]

    @property
    def failed(self) -> list[Answer]:
        """Items that failed."""
        return [answer for answer in self.answers if answer.failure is not None]

    @property
    def answered(self) -> bool:
        """Whether any device answered, be it with a refusal or a broken frame."""
        return any(answer.heard for answer in self.answers)

    def rows(self, zone: zoneinfo.ZoneInfo) -> list[dict[str, Any]]:
        """Rows of `COLUMNS`, in the order in which it was asked for."""
        return list(rows_of(self.answers, zone))


def make_question(
    link: str,
    protocol: str | None,
    addresses: Iterable[str],
    items: Iterable[str],
    *,
    timeout_s: float | None = None,
    retries: int = 2,
    trace: str | None = None,
    registers: Sequence[str] = (),
    secret: SecretSource | None = None,
) -> Question:
    """The question that a command line asks, everything in it checked. Raises UsageError, ConfigError (the secret)."""
    where = parse_link(link)
    if where.protocol is not None and protocol not in (None, where.protocol):
        raise UsageError(
            "usage.invalid",
            str(
                Text(
                    f"this link speaks {where.protocol}, not {protocol}", f"此链路为 {where.protocol}, 不是 {protocol}"
                )
            ),
            hint=str(Text("leave --protocol out, or write socket:// or a port", "去掉 --protocol, 或改写链路")),
        )
    spoken = where.protocol or protocol
    if spoken is None:
        raise UsageError(
            "usage.invalid",
            str(Text("say what the meters speak", "应指定规约")),
            hint=str(Text("add --protocol dlt645-2007, for example", "例如 --protocol dlt645-2007")),
        )
    catalogue = ItemCatalogue(registers)
    wanted = tuple(dict.fromkeys(catalogue.find(text, spoken) for text in _split(items)))
    asked = tuple(dict.fromkeys(check_address(text, spoken) for text in _split(addresses)))
    if not wanted or not asked:
        raise UsageError(
            "usage.invalid",
            str(Text("name at least one --address and one --item", "至少给出一个 --address 和一个 --item")),
        )
    check_patience(timeout_s, retries)
    if secret is not None:
        secret.read(spoken)
    return Question(where, spoken, asked, wanted, timeout_s, retries, trace, tuple(registers), secret)


def check_patience(timeout_s: float | None, retries: int | None) -> None:
    """Whether a timeout and a number of further attempts can be meant. Raises UsageError."""
    if timeout_s is not None and not 0 < timeout_s <= 600:
        raise UsageError("usage.invalid", str(Text("--timeout is 0 to 600 s", "--timeout 应为 0 至 600 秒")))
    if retries is not None and not 0 <= retries <= 20:
        raise UsageError("usage.invalid", str(Text("--retries is 0 to 20", "--retries 应为 0 至 20")))


def _split(texts: Iterable[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def make_line(question: Question, trace: Trace | None = None, **more: Any) -> Line:
    """The line of a question, not yet opened."""
    transport = make_transport(question.link)
    if trace is not None:
        transport = TracingTransport(transport, trace.line(question.link.port))
    secret = question.secret
    return Line(question.link, transport=transport, timeout_s=question.timeout_s, source_of=lambda *_: secret, **more)


def poll_once(
    question: Question,
    zone: zoneinfo.ZoneInfo,
    *,
    progress: Callable[[Finished], None] | None = None,
    connect_s: float = 10.0,
) -> PollResult:
    """Ask everything once, and again what failed. Raises LinkError when the line does not open.

    A keyboard interrupt lets the running exchange end and gives what was read.
    """
    trace = Trace(question.trace) if question.trace is not None else None
    result = PollResult()
    try:
        line = make_line(question, trace, connect_s=connect_s)
        line.open()
        tasks = tuple(Task(address, address, question.items) for address in question.addresses)
        answers = _collect(Poller([LineWork(lambda: line, tasks)], retries=question.retries), result, progress)
    finally:
        if trace is not None:
            trace.close()
    order = {(address, item): n for n, (address, item) in enumerate(
        (address, item) for address in question.addresses for item in question.items
    )}  # fmt: skip
    answers.sort(key=lambda answer: order[answer.address, answer.item])
    result.readings, result.answers = read_answers(answers, zone, question.registers)
    return result


def _collect(poller: Poller, result: PollResult, progress: Callable[[Finished], None] | None) -> list[Answer]:
    answers: list[Answer] = []

    def take(finished: Finished) -> None:
        answers.append(finished.answer)
        if progress is not None:
            progress(finished)

    def interrupted() -> None:
        result.interrupted = True

    poller.each(take, interrupted)
    return answers


def write_rows_file(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Rows to a `.csv`, `.json`, `.jsonl` or `.parquet` file, whole or not at all. Raises UsageError, WriteError."""
    if out.suffix not in (".csv", ".json", ".jsonl", ".parquet"):
        raise UsageError(
            "usage.invalid",
            str(Text(f"--out {out}: unknown kind of file", f"--out {out}: 未知文件类型")),
            hint=str(Text("end it in .csv, .json, .jsonl or .parquet", "扩展名应为 .csv、.json、.jsonl 或 .parquet")),
        )
    plain = [{**row, "time": row["time"].isoformat() if row["time"] is not None else None} for row in rows]
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if out.suffix == ".parquet":
            _write_parquet(rows, staged)
        elif out.suffix == ".csv":
            with staged.open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows({key: _cell(value) for key, value in row.items()} for row in plain)
        elif out.suffix == ".json":
            staged.write_text(json.dumps(plain, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        else:
            lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in plain]
            staged.write_text("".join(lines), encoding="utf-8")
        staged.replace(out)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise from_os_error(error, writing=True, file=str(out)) from None


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value  # a spreadsheet would run it as a formula
    return value


def _write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [row["value"] if isinstance(row["value"], int | float) else None for row in rows]
    texts = [row["value"] if isinstance(row["value"], str) else None for row in rows]
    table = pa.table(
        {
            "meter": pa.array([row["meter"] for row in rows], pa.string()),
            "time": pa.array([row["time"] for row in rows], pa.timestamp("ms", tz="UTC")),
            "quantity": pa.array([row["quantity"] for row in rows], pa.string()),
            "phase": pa.array([row["phase"] for row in rows], pa.string()),
            "tariff": pa.array([row["tariff"] for row in rows], pa.uint8()),
            "value": pa.array(numbers, pa.float64()),
            "text": pa.array(texts, pa.string()),
            "unit": pa.array([row["unit"] for row in rows], pa.string()),
            "quality": pa.array([row["quality"] for row in rows], pa.string()),
        }
    )
    pq.write_table(table, path, compression="zstd")
