"""The live line of `poll` on a real terminal of few columns: it fits, and it is taken away in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from rich.cells import cell_len
from test_fairness import KEYACCT, NOW, line_of, workspace_of

from keyacct import clock

METERS = '[[line]]\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "100"\ncount = 4\nlate = 1.0\nlate_s = 0.15\n'


def on_terminal(columns, command):
    """What a command writes on a terminal so many columns wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm", "KEYACCT_NOW": NOW, "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    told = b""
    try:
        while data := os.read(ours, 65_536):
            told += data
    except OSError:
        pass  # Linux says so when the other end is closed
    os.close(ours)
    assert process.wait(60) == 0, told
    return told.decode()


@pytest.mark.parametrize(("columns", "language"), [(40, "en"), (60, "en"), (40, "zh")])
def test_no_line_is_wider_than_the_terminal_and_the_live_one_is_cleared(tmp_path, columns, language):
    with line_of(tmp_path, METERS) as park:
        folder = workspace_of(tmp_path, park)
        clock.fix(NOW)
        command = [*KEYACCT, "poll", "--due", "--workspace", str(folder), "--lang", language]
        told = on_terminal(columns, command)
    live = re.split(r"\r\x1b\[2K", told.split("\x1b[?25l")[1].split("\x1b[?25h")[0])
    assert len(live) >= 3
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text) for text in re.split(r"[\r\n]+", told)]
    assert max(cell_len(text) for text in plain) <= columns
    # nothing of it begins a second row before the end, so nothing wraps or scrolls; then the row is taken away
    assert all("\n" not in text for text in live[:-1])
    assert "\x1b[?25h\r\x1b[1A\x1b[2K" in told
