"""What `keyacct doctor` looks at of the way to the meters: ports and who may use them, clock, files; asks nobody."""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import errno
import grp
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.line_lock import LineLock
from keyacct.capture.link import Link, parse_link
from keyacct.capture.open_files import FILES_A_LINE, SPARE_FILES
from keyacct.config import Workspace
from keyacct.database import acquisition_tables, tables
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, KeyacctError, LinkError, UsageError
from keyacct.model import civil
from keyacct.workflow.doctor import Check
from keyacct.workflow.poll_targets import read_targets

_STA_UNSYNC = 0x0040
_TIMEX_WORDS = 32
_STATUS_WORD = 5
"""`struct timex` of adjtimex(2) on 64-bit Linux: modes, offset, freq, maxerror, esterror, status, each in 8 bytes."""
CLOCK_BACK_MS = 60_000


def check_lines(workspace: Workspace) -> list[Check]:
    """Every check; none in a workspace without lines."""
    with open_database(workspace).read() as connection:
        table = acquisition_tables.poll_line
        rows = connection.execute(sa.select(table.c.poll_line, table.c.link, table.c.out_of_use)).all()
    links: list[tuple[str, Link]] = []
    checks: list[Check] = []
    for name, url, out_of_use in rows:
        if out_of_use:
            continue
        try:
            links.append((name, parse_link(url)))
        except UsageError as error:
            checks.append(Check("lines", "look", f"poll_line {name}: {error.message}", error.hint))
    if not rows:
        return []
    for name, link in links:
        if link.kind == "serial":
            checks += _port(name, link)
    return [*checks, *_passwords(workspace), *_files(workspace, len(links)), *_clock(workspace)]


def _passwords(workspace: Workspace) -> Iterator[Check]:
    """Whether every password that a meter is said to have can be read, each source once."""
    try:
        targets = read_targets(workspace).values()
    except ConfigError:
        return  # of the registry, which has a check of its own
    for source, protocol in {(target.secret, target.protocol) for target in targets if target.secret is not None}:
        users = sorted(t.meter_no for t in targets if t.secret == source)
        try:
            source.read(protocol)
        except KeyacctError as error:
            place = f" ({error.where['file']})" if "file" in error.where else ""
            more = f" and {len(users) - 1} more" if len(users) > 1 else ""
            yield Check("passwords", "look", f"{users[0]}{more}: {error.message}{place}", error.hint)


def _port(name: str, link: Link) -> Iterator[Check]:
    """Whether a serial port is there, whether this user may use it, whether somebody else does."""
    try:
        told = os.stat(link.device)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            yield Check(
                "ports", "look", f"{name}: {link.device} is not there", "plug the adapter in, or change the link"
            )
        else:
            yield Check("ports", "look", f"{name}: {link.device}: {error.strerror}", "check the folder's rights")
        return
    if not stat.S_ISCHR(told.st_mode):
        yield Check("ports", "look", f"{name}: {link.device} is no serial port", "change the link of the line")
        return
    if not os.access(link.device, os.R_OK | os.W_OK):
        yield Check("ports", "look", f"{name}: this user may not use {link.device}", _group_advice(told.st_gid))
        return
    for pid, program in holders(link.device):
        yield Check(
            "ports", "look", f"{name}: {link.device} is open in process {pid} ({program})", f"stop it: kill {pid}"
        )
        return
    lock = LineLock(link.place)
    try:
        lock.take(0)
    except LinkError as error:
        yield Check("ports", "ok", error.message)
        return
    lock.give_back()
    yield Check("ports", "ok", f"{name}: {link.device} is there and free")


def _group_advice(gid: int) -> str:
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    if gid == 0:  # a user in group root may do far more than use a port
        return "let its group be dialout (a rule of udev), and add this user to that group"
    return f"sudo usermod -aG {group} USER, and log in again (this user is not in group {group})"


def holders(device: str) -> list[tuple[int, str]]:
    """Processes of which we may see that they hold a device open: number and program, not this one."""
    found = []
    real = os.path.realpath(device)
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) == real:
                    program = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    found.append((int(process.name), program))
                    break
    return sorted(found)


def _files(workspace: Workspace, lines: int) -> Iterator[Check]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = min(lines, workspace.settings.poll.lines_at_once)
    needed = wanted * FILES_A_LINE + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield Check(
            "files", "look", f"{wanted} lines at once need {needed} open files, the system allows {hard}",
            f"raise `ulimit -Hn` (LimitNOFILE of the service) to {needed}; until then fewer lines are asked at once",
        )  # fmt: skip
    else:
        yield Check("files", "ok", f"{lines} lines, {wanted} at once, need {needed} open files")


def _clock(workspace: Workspace) -> Iterator[Check]:
    """Readings without a stamp of their own get that of this machine, so it must be right."""
    now = clock.now_ms()
    with open_database(workspace).read() as connection:
        newest = connection.execute(sa.select(sa.func.max(tables.batch.c.committed_at))).scalar()
    if newest is not None and newest > now + CLOCK_BACK_MS:
        last = civil(newest, workspace.zone)
        yield Check(
            "clock", "look", f"this machine's clock stands before what was stored at {last:%Y-%m-%d %H:%M}",
            "set the clock; readings of now would be stamped in the past",
        )  # fmt: skip
        return
    local = dt.datetime.fromtimestamp(now / 1000, workspace.zone)
    if clock_is_synchronised() is False:
        yield Check(
            "clock", "look", f"{local:%Y-%m-%d %H:%M}, but no time server has set this machine's clock",
            "start one: timedatectl set-ntp true, or chrony",
        )  # fmt: skip
    else:
        yield Check("clock", "ok", f"{local:%Y-%m-%d %H:%M:%S}")


def clock_is_synchronised() -> bool | None:
    """What the kernel says of its clock (adjtimex(2), STA_UNSYNC); None where it does not tell."""
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None
    words = (ctypes.c_long * _TIMEX_WORDS)()  # modes = 0: read only
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(words))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return not int(words[_STATUS_WORD]) & _STA_UNSYNC
