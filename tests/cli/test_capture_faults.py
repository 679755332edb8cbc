"""`keyacct replay` and `decode` on captures that break midway, on pipes, and on what is neither: exit codes and sentences."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ANSWER = "6834010014122368910633343435A456AF16"  # public corpus appframe-02: 237.1 V of phase A
WRONG = ANSWER[:-4] + "AE16"
LINE = f"2026-07-01 10:00:00 RX {ANSWER}\n"


@pytest.fixture
def office(keyacct: Callable[..., Any], tmp_path: Path) -> Path:
    assert keyacct("init", tmp_path / "office").code == 0
    return tmp_path / "office"


def test_a_cut_capture_is_stored_as_far_as_it_goes_and_exits_6(
    keyacct: Callable[..., Any], office: Path, tmp_path: Path
) -> None:
    log = "".join(
        f"2026-07-01 10:{minute:02d}:{second:02d} RX {ANSWER}\n" for minute in range(60) for second in range(60)
    )
    packed = gzip.compress(log.encode())
    (tmp_path / "cut.log.gz").write_bytes(packed[: len(packed) // 2])
    command = ("replay", tmp_path / "cut.log.gz", "--workspace", office, "--format", "json")
    first = keyacct(*command)
    assert first.code == 6, first.err
    assert 0 < first.json[0]["added"] < 3600
    assert "the gzip file ends in the middle" in first.err
    assert "hint: " in first.err
    again = keyacct(*command)
    assert (again.code, again.json[0]["already_ingested"]) == (6, True)
    chinese = keyacct("--lang", "zh", *command)
    assert "gzip 文件在数据中间结束" in chinese.err
    out = tmp_path / "cut.jsonl"
    assert keyacct("replay", tmp_path / "cut.log.gz", "--out", out).code == 6
    assert len(out.read_text("utf-8").splitlines()) == first.json[0]["added"]


def test_strict_stores_the_good_frames_and_exits_6(keyacct: Callable[..., Any], office: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINE + f"2026-07-01 10:01:00 RX {WRONG}\n")
    strict = keyacct("replay", tmp_path / "a.log", "--workspace", office, "--strict", "--format", "json")
    assert (strict.code, strict.json[0]["added"]) == (6, 1)
    assert "invalid frames frame.checksum 1 (first in line 2, byte 60: checksum AEH, computed AFH)" in strict.err
    assert keyacct("replay", tmp_path / "a.log", "--workspace", office).code == 0


def test_the_tally_is_chinese_where_the_language_is(keyacct: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINE + f"2026-07-01 10:01:00 RX {WRONG}\n")
    result = keyacct("--lang", "zh", "replay", tmp_path / "a.log", "--out", tmp_path / "o.jsonl")
    assert "坏帧 frame.checksum 1 (首个在第 2 行, 字节偏移 60: 校验和为 AEH, 计算值为 AFH)" in result.err
    assert "无关字节 18" in result.err


def test_a_broken_frame_is_explained_in_both_languages(keyacct: Callable[..., Any]) -> None:
    plain = "68340100141223689106" + "000101027123" + "AF16"  # the offset 33H taken off
    english, chinese = keyacct("decode", plain), keyacct("--lang", "zh", "decode", plain)
    assert english.code == chinese.code == 4
    for words in ("no valid frame: checksum AFH", "nearest protocol: dlt645-2007", "33H"):
        assert words in " ".join(english.out.split())
    for words in ("没有有效报文: 校验和为 AFH", "最接近的规约: dlt645-2007", "33H 已被去掉"):
        assert words in "".join(chinese.out.replace("\n", "").split("│")) or words in " ".join(chinese.out.split())


def test_captures_come_through_pipes(tmp_path: Path) -> None:
    def run(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = [
            sys.executable,
            "-c",
            "import sys; from keyacct.cli.run import run; sys.exit(run(sys.argv[1:]))",
            *words,
        ]
        return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)

    out = str(tmp_path / "o.jsonl")
    piped = run("replay", "-", "--out", out, input=bytes.fromhex(ANSWER) * 3)
    assert piped.returncode == 0, piped.stderr
    assert len((tmp_path / "o.jsonl").read_text("utf-8").splitlines()) == 3
    empty = run("replay", "-", "--out", out, input=b"")
    assert empty.returncode == 4
    assert b"empty" in empty.stderr
    binary = run("decode", "-", input=bytes.fromhex(ANSWER) + b"\0\0")
    assert binary.returncode == 4
    assert b"keyacct replay" in binary.stderr
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    feeder = threading.Thread(target=fifo.write_bytes, args=(LINE.encode() * 2,))
    feeder.start()
    named = run("replay", str(fifo), "--out", out)
    feeder.join()
    assert named.returncode == 0, named.stderr
    assert len((tmp_path / "o.jsonl").read_text("utf-8").splitlines()) == 2


def test_an_unreadable_capture_is_told(keyacct: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "secret.log"
    file.write_text(LINE)
    file.chmod(0)
    if os.access(file, os.R_OK):
        file = Path("/proc/self/mem")  # root reads everything but this: an input/output error at byte 0
    result = keyacct("replay", file, "--out", tmp_path / "o.jsonl")
    assert result.code == 4
    assert str(file) in result.err
    assert "hint: " in result.err
