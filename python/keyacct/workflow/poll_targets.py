"""Which meters can be asked, on which line, and what the plans of the registry ask of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.asking import check_address
from keyacct.capture.items import PROTOCOLS, Item, ItemCatalogue
from keyacct.capture.link import Link, parse_link
from keyacct.capture.poller import ALARM, BACKFILL, ON_DEMAND, SCHEDULE
from keyacct.config import Workspace
from keyacct.database import acquisition_tables as tables
from keyacct.database import tables as registry
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, KeyacctError, UsageError
from keyacct.i18n import Text
from keyacct.registry.entity_checks import CARE_ITEMS
from keyacct.secrets import SecretSource, SourceOf, parse_source

PRIORITIES = {"alarm": ALARM, "on_demand": ON_DEMAND, "schedule": SCHEDULE, "backfill": BACKFILL}


@dataclass(frozen=True)
class PollLine:
    """A line of the registry. password_file: of its devices that name none themselves."""

    name: str
    link: Link
    timeout_s: float | None
    retries: int | None
    password_file: str | None = None


@dataclass(frozen=True)
class Target:
    """A meter that can be asked. secret: where its password is."""

    meter_no: str
    address: str
    protocol: str
    line: PollLine
    group: str | None = None
    model: str | None = None
    accounts: tuple[str, ...] = ()
    secret: SecretSource | None = None


@dataclass(frozen=True)
class Plan:
    """What is asked when, of whom. scopes: (scope, value) of its assignments. care: what is done beside reading items."""

    name: str
    items: tuple[str, ...]
    schedule: str
    priority: int
    scopes: tuple[tuple[str, str], ...]
    care: tuple[str, ...] = ()

    def covers(self, target: Target) -> bool:
        """Whether the plan is for this meter."""
        told: Mapping[str, Iterable[str | None]] = {
            "group": (target.group,), "model": (target.model, target.protocol), "line": (target.line.name,),
            "account": target.accounts, "meter": (target.meter_no,),
        }  # fmt: skip
        return any(scope == "all" or value in told[scope] for scope, value in self.scopes)


def read_targets(workspace: Workspace) -> dict[str, Target]:
    """Every meter with a line in use, by number. Raises ConfigError that names the entry that cannot be used."""
    with open_database(workspace).read() as connection:
        lines = {}
        for row in connection.execute(sa.select(tables.poll_line)).mappings():
            if not row["out_of_use"]:
                try:
                    link = parse_link(row["link"])
                except UsageError as error:
                    raise _wrong("poll_line", row["poll_line"], error) from None
                lines[row["poll_line"]] = PollLine(
                    row["poll_line"], link, row["timeout_s"], row["retries"], row["password_file"]
                )
        accounts = _accounts(connection)
        query = sa.select(registry.meter, tables.meter_link).join(
            tables.meter_link, tables.meter_link.c.meter_no == registry.meter.c.meter_no
        )
        targets = {}
        for row in connection.execute(query).mappings():
            if row["poll_line"] not in lines:
                continue
            line = lines[row["poll_line"]]
            named = row["password_file"] or line.password_file or workspace.settings.poll.password_file
            secret = parse_source(named, workspace.root) if named else None
            target = _target(row, line, accounts, secret)
            targets[target.meter_no] = target
    return targets


def _target(row: Any, line: PollLine, accounts: Mapping[str, tuple[str, ...]], secret: SecretSource | None) -> Target:
    number = row["meter_no"]
    protocol = line.link.protocol or row["protocol"]
    if protocol not in PROTOCOLS:
        raise ConfigError(
            "config.registry_invalid",
            str(Text(f"meter_link of {number}: protocol {protocol!r} is not asked on a line",
                     f"meter_link {number}: 规约 {protocol!r} 不能在线路上召测")),
            hint=str(Text(f"set the meter's protocol to one of {', '.join(PROTOCOLS)}",
                          f"电表规约应为 {', '.join(PROTOCOLS)} 之一")),
            where={"meter": number},
        )  # fmt: skip
    try:
        address = check_address(row["address"] or "", protocol)
    except UsageError as error:
        raise _wrong("meter", number, error) from None
    model = row["register_model"]
    return Target(number, address, protocol, line, row["poll_group"], model, accounts.get(number, ()), secret)


def sources_of(targets: Iterable[Target]) -> SourceOf:
    """Where the passwords of these meters are, by protocol and address; for a `Line` that they are on."""
    known = {(target.protocol, target.address): target.secret for target in targets}
    return lambda protocol, address: known.get((protocol, address))


def _wrong(entry: str, name: str, error: KeyacctError) -> ConfigError:
    return ConfigError("config.registry_invalid", f"{entry} {name}: {error.message}", hint=error.hint)


def _accounts(connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    now = clock.now_ms()
    placed, owned = registry.meter_point, registry.point_account
    query = sa.select(placed.c.meter_no, owned.c.account_no).join(owned, owned.c.point == placed.c.point).where(
        placed.c.valid_from <= now, placed.c.valid_to > now, owned.c.valid_from <= now, owned.c.valid_to > now
    )  # fmt: skip
    found: dict[str, tuple[str, ...]] = {}
    for meter, account in connection.execute(query):
        found[meter] = (*found.get(meter, ()), account)
    return found


def read_plans(workspace: Workspace) -> list[Plan]:
    """The plans of the registry that are assigned to somebody, by name."""
    with open_database(workspace).read() as connection:
        scopes: dict[str, list[tuple[str, str]]] = {}
        for row in connection.execute(sa.select(tables.poll_assignment)).mappings():
            scopes.setdefault(row["poll_plan"], []).append((row["scope"], row["scope_value"]))
        rows = connection.execute(sa.select(tables.poll_plan).order_by(tables.poll_plan.c.poll_plan)).mappings().all()
    plans = []
    for row in rows:
        if row["poll_plan"] not in scopes:
            continue
        asked = [item.strip() for item in row["items"].split(",") if item.strip()]
        plans.append(Plan(
            row["poll_plan"], tuple(item for item in asked if item not in CARE_ITEMS), row["schedule"],
            PRIORITIES[row["priority"]], tuple(sorted(scopes[row["poll_plan"]])),
            tuple(item for item in asked if item in CARE_ITEMS),
        ))  # fmt: skip
    return plans


def choose(
    targets: Mapping[str, Target], meters: Sequence[str] = (), group: str | None = None, *, everybody: bool = False
) -> list[Target]:
    """The meters that a command names. Raises UsageError for one that is not known or has no line."""
    if sum((bool(meters), group is not None, everybody)) != 1:
        raise UsageError(
            "usage.invalid",
            str(Text("say whom to ask: --all, --group G, or meters", "应指定范围: --all、--group 组 或电表号")),
        )
    for name in meters:
        if name not in targets:
            raise UsageError(
                "usage.invalid",
                str(Text(f"meter {name!r} has no line", f"电表 {name!r} 未配置线路")),
                hint=str(Text("add a [[meter_link]] to the registry", "在台账中加入 [[meter_link]]")),
            )
    chosen = [targets[name] for name in meters] if meters else list(targets.values())
    if group is not None:
        chosen = [target for target in chosen if target.group == group]
    if not chosen:
        raise UsageError(
            "usage.invalid",
            str(Text("no meter to ask", "没有可召测的电表")),
            hint=str(Text("the registry needs [[poll_line]] and [[meter_link]]; docs/polling.md has an example",
                          "台账需有 [[poll_line]] 和 [[meter_link]], 示例见 docs/polling.md")),
        )  # fmt: skip
    return sorted(chosen, key=lambda target: (target.line.name, target.meter_no))


def items_for(catalogue: ItemCatalogue, target: Target, names: Sequence[str]) -> tuple[Item, ...]:
    """The items of a meter by their names. A Modbus name without model is that of the meter's own. Raises UsageError."""
    found = []
    for name in names:
        own = target.protocol.startswith("modbus") and ":" not in name and target.model
        found.append(catalogue.find(f"{target.model}:{name}" if own else name, target.protocol))
    return tuple(dict.fromkeys(found))
