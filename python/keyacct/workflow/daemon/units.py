"""Unit files for systemd: polling as a service, polling by a timer, the master station; hardened, paths escaped."""

from __future__ import annotations

import grp
import re
from collections.abc import Sequence
from dataclasses import dataclass

from keyacct.errors import UsageError
from keyacct.i18n import Text

KINDS = ("poll", "due", "listen")
WATCHDOG_S = 120
"""How long systemd waits for a sign of life; commits of large rounds take seconds. [D]"""
STOP_S = 120
"""How long a stop may take: running exchanges end, what was read is stored. [D]"""
_FILES = {"poll": 8_448, "due": 8_448, "listen": 65_536}
_SERIAL_GROUPS = ("dialout", "uucp")
_SERIAL_DEVICES = ("char-ttyS", "char-ttyUSB", "char-ttyACM", "char-ttyAMA", "char-pts")


@dataclass(frozen=True)
class Wanted:
    """What the units are for. program: the words that start keyacct; workspace: its absolute folder.

    every_s: between rounds (poll) or runs (due). words: further words of the command, such as the place to listen at.
    """

    kind: str
    program: tuple[str, ...]
    workspace: str
    every_s: int
    words: tuple[str, ...] = ()
    user: bool = False
    run_as: str = "keyacct"
    name: str = ""


def unit_files(wanted: Wanted) -> dict[str, str]:
    """File name → text. Raises UsageError for a name or a path that a unit cannot hold."""
    if wanted.name and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}", wanted.name):
        raise UsageError(
            "usage.invalid",
            str(Text(f"--name {wanted.name!r} cannot be part of a unit's name", f"--name {wanted.name!r} 不能用作单元名")),
            hint=str(Text("letters, digits, - _ .", "可用字母、数字、- _ .")),
        )  # fmt: skip
    if not wanted.user and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,31}", wanted.run_as):
        raise UsageError(
            "usage.invalid", str(Text(f"--run-as {wanted.run_as!r} is no user name", f"--run-as {wanted.run_as!r} 不是用户名"))
        )  # fmt: skip
    stem = "-".join(part for part in ("keyacct", wanted.name, wanted.kind) if part)
    files = {f"{stem}.service": _service(wanted)}
    if wanted.kind == "due":
        files[f"{stem}.timer"] = _timer(wanted)
    return files


def quoted(text: str) -> str:
    """A word of a command line, or a path of a list, as a unit file takes it: specifiers and variables are no longer any.

    systemd.service(5), command lines; systemd.syntax(7), quoting.
    """
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif character in "%$":
            out.append(character * 2)
        elif ord(character) < 0x20 or ord(character) == 0x7F:
            out.append(f"\\x{ord(character):02x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def quoted_path(path: str) -> str:
    """A path of a setting that is no command: a dollar sign stays one."""
    return quoted(path).replace("$$", "$")


def _command(wanted: Wanted) -> str:
    head = [*wanted.program, "--workspace", wanted.workspace]
    if wanted.kind == "poll":
        words = ["poll", "--due", "--every", f"{wanted.every_s}s", "--format", "jsonl", *wanted.words]
    elif wanted.kind == "due":
        words = ["poll", "--due", "--format", "jsonl", *wanted.words]
    else:
        words = ["listen", *wanted.words]
    # The program's own path is no place for variables: only its arguments are looked through for them.
    return " ".join([quoted_path(head[0]), *(quoted(word) for word in [*head[1:], *words])])


_TITLES = {
    "poll": "keyacct: polls what the plans have due", "due": "keyacct: one run of what the plans have due",
    "listen": "keyacct: master station for terminals",
}  # fmt: skip


def _service(wanted: Wanted) -> str:
    lines = ["[Unit]", f"Description={_TITLES[wanted.kind]}"]
    if not wanted.user:
        lines += ["Wants=network-online.target", "After=network-online.target time-sync.target"]
    lines += ["", "[Service]", f"ExecStart={_command(wanted)}", "Environment=PYTHONUNBUFFERED=1"]
    if wanted.kind == "due":
        lines += [
            "Type=oneshot", "# 5: nobody answered, 6: some did not; both are told and asked again by the next run.",
            "SuccessExitStatus=5 6",
        ]  # fmt: skip
    else:
        lines += [
            "Type=notify", "NotifyAccess=main", f"WatchdogSec={WATCHDOG_S}", "Restart=on-failure", "RestartSec=10",
            "# 2: wrong command line, 3: wrong settings or registry; starting again would not help.",
            "RestartPreventExitStatus=2 3",
        ]  # fmt: skip
    lines += ["KillSignal=SIGTERM", f"TimeoutStopSec={STOP_S}", f"LimitNOFILE={_FILES[wanted.kind]}", "UMask=0027"]
    lines += ["", "# What it may do to this machine.", *_hardening(wanted)]
    if wanted.kind != "due":
        lines += ["", "[Install]", f"WantedBy={'default' if wanted.user else 'multi-user'}.target"]
    return "\n".join(lines) + "\n"


def _hardening(wanted: Wanted) -> list[str]:
    anywhere = [
        "NoNewPrivileges=yes", "RestrictSUIDSGID=yes", "RestrictRealtime=yes", "RestrictNamespaces=yes",
        "LockPersonality=yes", "SystemCallArchitectures=native", "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    ]  # fmt: skip
    if wanted.user:  # the rest needs the system's own manager
        return anywhere
    lines = [f"User={wanted.run_as}"]
    if wanted.kind != "listen":
        group = _serial_group()
        lines += [f"SupplementaryGroups={group}"] if group else []
        lines += ["DevicePolicy=closed", *(f"DeviceAllow={device} rw" for device in _SERIAL_DEVICES)]
    else:
        lines.append("PrivateDevices=yes")
    return [
        *lines, *anywhere, "CapabilityBoundingSet=", "AmbientCapabilities=", "ProtectSystem=strict", "ProtectHome=read-only",
        f"ReadWritePaths={quoted_path(wanted.workspace)}", "PrivateTmp=yes", "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectHostname=yes",
        "ProtectClock=yes", "ProtectProc=invisible", "RemoveIPC=yes",
    ]  # fmt: skip


def _serial_group() -> str:
    for name in _SERIAL_GROUPS:
        try:
            return grp.getgrnam(name).gr_name
        except KeyError:
            continue
    return ""


def _timer(wanted: Wanted) -> str:
    lines = ["[Unit]", "Description=keyacct: when what is due is polled", "", "[Timer]"]
    lines += [*_calendar(wanted.every_s), "AccuracySec=1s", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def _calendar(every_s: int) -> Sequence[str]:
    """At even times where the clock has such, else by time since the last run."""
    minutes, rest = divmod(every_s, 60)
    if not rest and 1 <= minutes <= 60 and 60 % minutes == 0:
        return [f"OnCalendar=*:0/{minutes}" if minutes < 60 else "OnCalendar=hourly", "Persistent=yes"]
    return ["OnBootSec=60", f"OnUnitActiveSec={every_s}"]
