"""Control for the command line: whose device it is, how its state is read over a line or from a terminal that dials in."""

from __future__ import annotations

import contextlib
import json
import os
import time
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyacct import clock, wire
from keyacct.config import Settings, Workspace
from keyacct.control.readback import ControlState, read_state
from keyacct.control.targets import Target
from keyacct.database import audit, tables
from keyacct.database import registry_tables as registry
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, LinkError, RefusedError
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.capture.link import Link
    from keyacct.secrets import SecretSource

_WAKE = {"dlt645-2007": b"\xfe" * 4, "dlt698.45": b"\xfe" * 4}


def requester(workspace: Workspace | None) -> str:
    """Who asks: the operator of the environment or of the settings, else the user of the operating system."""
    named = workspace.settings.audit.operator if workspace is not None else ""
    return os.environ.get(audit.OPERATOR_VARIABLE) or named or audit.operating_user()


def registered_target(workspace: Workspace, *, meter: str | None = None, terminal: str | None = None) -> Target:
    """A meter or terminal of the registry, with the account it belongs to today. Raises ConfigError, RefusedError."""
    with open_database(workspace).read() as connection:
        if terminal is not None:
            row = _row(connection, registry.terminal, registry.terminal.c.terminal_no, terminal)
            account = _account_of_terminal(connection, terminal)
            return Target(_protocol(row, terminal), row["address"] or "", account, terminal_no=terminal)
        number = str(meter)
        row = _row(connection, tables.meter, tables.meter.c.meter_no, number)
        return Target(_protocol(row, number), row["address"] or "", _account_of_meter(connection, number), number)


def _row(connection: sa.Connection, table: sa.Table, key: sa.Column[Any], number: str) -> Mapping[str, Any]:
    row = connection.execute(sa.select(table).where(key == number)).mappings().first()
    if row is None:
        raise ConfigError(
            "config.registry_not_found",
            str(Text(f"{table.name} {number} is not in the registry", f"台账中没有 {table.name} {number}")),
            hint=f"keyacct registry list {table.name}",
        )
    return dict(row)


def _protocol(row: Mapping[str, Any], number: str) -> str:
    if not row["protocol"] or not row["address"]:
        raise ConfigError(
            "config.registry_invalid",
            str(Text(f"{number} has no protocol or no address", f"{number} 缺少规约或地址")),
            hint=str(Text("set both in the registry", "请在台账中补齐")),
        )
    return str(row["protocol"])


def _only(found: set[str]) -> str | None:
    """The one account; None when there is none or more than one."""
    return next(iter(found)) if len(found) == 1 else None


def _account_of_terminal(connection: sa.Connection, terminal: str) -> str | None:
    now, site = clock.now_ms(), registry.terminal_site
    query = sa.select(site.c.account_no).where(
        site.c.terminal_no == terminal, site.c.valid_from <= now, site.c.valid_to > now
    )
    return _only({row[0] for row in connection.execute(query)})


def _account_of_meter(connection: sa.Connection, meter: str) -> str | None:
    now, placed, owned = clock.now_ms(), tables.meter_point, tables.point_account
    query = sa.select(owned.c.account_no).join(placed, owned.c.point == placed.c.point).where(
        placed.c.meter_no == meter, placed.c.valid_from <= now, placed.c.valid_to > now, owned.c.valid_from <= now,
        owned.c.valid_to > now,
    )  # fmt: skip
    return _only({row[0] for row in connection.execute(query)})


def registered_line(workspace: Workspace, meter: str) -> tuple[Link, SecretSource | None]:
    """The line of a meter, and where its password is. Raises ConfigError when it has no line."""
    from keyacct.workflow.poll_targets import read_targets

    target = read_targets(workspace).get(meter)
    if target is None:
        raise ConfigError(
            "config.registry_not_found",
            str(Text(f"meter {meter} has no line", f"电表 {meter} 没有线路")),
            hint=str(Text("import a meter_link, or give --link", "请导入 meter_link, 或用 --link")),
        )
    return target.line.link, target.secret


@contextlib.contextmanager
def noting_refusals(workspace: Workspace | None, action: str, told: Mapping[str, Any]) -> Iterator[None]:
    """An attempt that is refused before it is a command (two rounds, a group address …) is an audit row as well."""
    try:
        yield
    except RefusedError as error:
        if workspace is not None:
            with open_database(workspace).write() as connection:
                audit.append(connection, "control.refused", {"action": action, **told, "reason": error.message})
        raise


def state_over_link(
    link: Link, target: Target, timeout_s: float | None = None, secret: SecretSource | None = None
) -> ControlState:
    """The control state of a device on a line. Raises LinkError when it answers nothing at all.

    secret: where its password is, for servers of DL/T 698.45 that want one.
    """
    from keyacct.capture import dlt698
    from keyacct.capture.line import ExchangeError, Line

    line = Line(link, timeout_s=timeout_s, source_of=lambda protocol, address: secret)
    line.open()
    silent: list[str] = []

    def ask(frame: bytes) -> bytes | None:
        if len(silent) >= 2:
            return None  # nobody there: asking on would only wait
        try:
            reply = line.exchange(frame, target.protocol, preamble=_WAKE.get(target.protocol, b""))
        except ExchangeError as error:
            silent.append(str(error))
            return None
        silent[:] = [""] if silent == [""] else []
        return reply.frame

    try:
        if target.protocol == dlt698.PROTOCOL:
            try:
                dlt698.associate(line, target.address)
            except ExchangeError as error:
                if error.failure.cause != "timeout":
                    raise _nobody(f"{link.place}: {target}", str(error), error.failure.hint) from None
        state = read_state(ask, target)
        dlt698.release(line)
    finally:
        line.close()
    if not state.said_anything and silent:
        raise _nobody(f"{link.place}: {target}", silent[-1])
    return state


def state_of_dialler(
    bind: tuple[str, int],
    target: Target,
    wait_s: float,
    *,
    settings: Settings | None = None,
    ready: Callable[[str, int], None] = lambda host, port: None,
) -> ControlState:
    """The control state of a terminal that dials in here within a time. Raises LinkError when it does not come."""
    from keyacct.workflow.listen import make_station

    zone = zoneinfo.ZoneInfo((settings or Settings()).workspace.timezone)
    station = make_station(target.protocol, bind[0], bind[1], zone, allowed=[target.address])
    ready(bind[0], station.front.port)
    until = time.monotonic() + wait_s
    try:
        while not station.sessions and time.monotonic() < until:
            station.turn(0.1)
        if not station.sessions:
            raise _nobody(str(target), str(Text(f"did not dial in within {wait_s:g} s", f"{wait_s:g} 秒内未登录")))

        def ask(frame: bytes) -> bytes | None:
            if not station.sessions:
                return None
            station.take()
            station.ask(station.question("read", "control state", _question(frame, target.protocol)))
            while station.busy:
                station.turn(0.05)
            frames, _ = station.take()
            return frames[-1] if frames else None

        return read_state(ask, target)
    finally:
        station.front.stop_accepting()
        station.front.shut()


def _question(frame: bytes, protocol: str) -> dict[str, Any]:
    """A read as the station's own question: it numbers and addresses it itself."""
    shown = json.loads(next(iter(wire.describe([frame.hex()], protocol))))
    if protocol == "dlt698.45":
        return {key: value for key, value in shown["apdu"].items() if key != "piid"}
    return {"afn": shown["afn"], "items": [{"pn": item["pn"], "fn": item["fn"]} for item in shown["items"]]}


def _nobody(who: str, why: str, hint: str = "") -> LinkError:
    return LinkError(
        "link.failed", f"{who}: {why}",
        hint=hint or str(Text("check address, protocol and line", "请检查地址、规约和线路")),
    )  # fmt: skip
