"""What the field analyses have in common: points, time and samples, as the kernel takes them."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from keyacct import clock
from keyacct.config import Workspace
from keyacct.errors import ConfigError
from keyacct.model import MINUTE_MS, Period, zone_offsets

_PARAMETERS = pa.schema(
    [
        *((name, pa.string()) for name in ("point", "account_no", "meter", "reading_side", "wiring")),
        ("tariff_table", pa.string()),
        *((name, pa.int64()) for name in ("from_ms", "to_ms", "interval_min")),
        *((name, pa.float64()) for name in ("pt", "ct", "nominal_v", "lower_v", "upper_v")),
    ]
)
_TARIFFS = pa.schema(
    [
        *((name, pa.string()) for name in ("tariff_table", "day_type", "period")),
        *((name, pa.int64()) for name in ("season_from", "season_to", "start_min", "end_min")),
    ]
)

HOUR_MS = 60 * MINUTE_MS
KernelQuestion = tuple[int, int, list[tuple[int, int]], int, bool, list[tuple[int, bool]]]


@dataclass(frozen=True)
class Question:
    """A period as far as it has passed, and the parameters of the points that were asked for.

    from_ms, to_ms: UTC ms, to_ms exclusive and not after the present. parameters: as `point_parameters`
    gives them, sorted by account, point and time. points_asked: how many points the whole question has, of which
    `parameters` may be a part.
    """

    workspace: Workspace
    period: Period
    from_ms: int
    to_ms: int
    parameters: pa.Table
    points_asked: int = 0
    _faults: list[BaseException] = field(default_factory=list, compare=False, repr=False)

    @property
    def kernel(self) -> KernelQuestion:
        """The question as the core takes it."""
        samples = self.workspace.settings.samples
        offsets = zone_offsets(self.from_ms, self.to_ms, self.workspace.zone)
        follow = samples.snapshot_stands_for == "following"
        return self.from_ms, self.to_ms, offsets, samples.max_gap_intervals, follow, self._special_days()

    def _special_days(self) -> list[tuple[int, bool]]:
        """(Days since 1970-01-01, whether a holiday) of the calendar, as far as they can matter."""
        calendar = self.workspace.settings.calendar
        days = [(text, True) for text in calendar.holidays]
        days += [(text, False) for text in calendar.workdays if text not in calendar.holidays]
        near = self.period.first - dt.timedelta(days=2), self.period.last + dt.timedelta(days=2)
        found = [(day, holiday) for text, holiday in days if near[0] <= (day := dt.date.fromisoformat(text)) <= near[1]]
        return sorted(((day - dt.date(1970, 1, 1)).days, holiday) for day, holiday in found)

    @property
    def kernel_parameters(self) -> pa.Table:
        """The parameters as the core takes them."""
        return self.parameters.select(_PARAMETERS.names).cast(_PARAMETERS)

    @property
    def time_type(self) -> pa.DataType:
        """Type of an instant in result tables: milliseconds, shown in the workspace's zone."""
        return pa.timestamp("ms", tz=self.workspace.settings.workspace.timezone)

    def of_accounts(self, accounts: Sequence[str]) -> Question:
        """The same question for some of its accounts."""
        kept = pc.is_in(self.parameters["account_no"], pa.array(accounts, pa.string()))
        return replace(self, parameters=self.parameters.filter(kept))

    def samples(self, family: str, columns: Sequence[str], scale: int) -> pa.RecordBatchReader:
        """Samples of the points' meters, with what lies around the period and still counts in it."""
        parameters = self.parameters
        longest = pc.max(parameters["interval_min"]).as_py() or self.workspace.settings.samples.interval_min
        reach = int(longest) * MINUTE_MS * self.workspace.settings.samples.max_gap_intervals
        meters = sorted(set(parameters["meter"].drop_null().to_pylist()))
        return self.read(family, columns, scale, self.from_ms - reach, self.to_ms + reach + 1, meters)

    def read(
        self, family: str, columns: Sequence[str], scale: int, from_ms: int, to_ms: int, meters: Sequence[str]
    ) -> pa.RecordBatchReader:
        """Samples of some meters with from_ms ≤ ts < to_ms, as the core takes them."""
        from keyacct.store.read import read_family

        names = ("meter", "kind", "ts", *columns)
        reader = read_family(self.workspace, family, from_ms, to_ms, meters=meters, columns=names)
        schema = pa.schema(
            [("meter", pa.string()), ("kind", pa.string()), ("ts", pa.int64())]
            + [(name, pa.decimal128(38, scale)) for name in columns]
        )

        return self.kept(reader, schema)

    def kept(self, reader: pa.RecordBatchReader, schema: pa.Schema | None = None) -> pa.RecordBatchReader:
        """A reader whose faults are kept, so that `run` and `faults_told` can raise them as what they were.

        schema: the columns to take, in which types (None: as they are).
        """

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for batch in reader:
                    yield batch if schema is None else batch.select(schema.names).cast(schema)
            except GeneratorExit:
                raise
            except BaseException as fault:
                self._faults.append(fault)
                raise

        return pa.RecordBatchReader.from_batches(schema or reader.schema, batches())

    @contextlib.contextmanager
    def faults_told(self) -> Iterator[None]:
        """What goes wrong in a kept reader is raised as what it was, whatever took it through."""
        try:
            yield
        except Exception:
            if self._faults:
                raise self._faults[0] from None
            raise

    def run(self, kernel: Callable[[], Iterable[object]]) -> tuple[pa.Table, ...]:
        """The tables that a kernel gives over this question's samples.

        What goes wrong while the kernel reads samples (a damaged file, Ctrl-C) passes through it as a message
        only; it is raised here as what it was.
        """
        with self.faults_told():
            return tuple(pa.table(stream) for stream in kernel())

    def tariffs(self) -> pa.Table:
        """Tariff slots as the core takes them."""
        from keyacct.registry.parameters import tariff_slots

        return tariff_slots(self.workspace).select(_TARIFFS.names).cast(_TARIFFS)


def ask(
    workspace: Workspace,
    period: Period,
    accounts: Sequence[str] | None,
    kinds: Sequence[str] | None = None,
) -> Question:
    """The question for a period; `kinds` chooses kinds of points, None takes all.

    Raises ConfigError `config.registry_not_found` for an account without any point in the period.
    """
    from keyacct.registry.parameters import point_parameters

    from_ms, end_ms = period.bounds_ms(workspace.zone)
    to_ms = max(from_ms, min(end_ms, clock.now_ms()))
    # A period that has not begun has no parameters of its own; those of its whole length name the points.
    table = point_parameters(workspace, from_ms, to_ms if to_ms > from_ms else end_ms, accounts)
    if accounts is not None:
        missing = sorted(set(accounts) - set(table["account_no"].to_pylist()))
        if missing:
            raise ConfigError(
                "config.registry_not_found",
                f"no account {', '.join(missing)} with a metering point in {period.label}",
                hint="`keyacct registry list accounts` shows the known ones",
            )
    if kinds is not None:
        table = table.filter(pc.is_in(table["kind"], pa.array(kinds, pa.string())))
    order = [("account_no", "ascending"), ("point", "ascending"), ("from_ms", "ascending")]
    points = len(set(table["point"].to_pylist()))
    return Question(workspace, period, from_ms, to_ms, table.sort_by(order), points)


def spans_of(parameters: pa.Table, key: str) -> dict[str, list[int]]:
    """Row numbers of the parameters by point or account, in their order."""
    rows: dict[str, list[int]] = {}
    for number, value in enumerate(parameters[key].to_pylist()):
        rows.setdefault(value, []).append(number)
    return rows


def measurable(workspace: Workspace, period: Period, accounts: Sequence[str] | None = None) -> list[str]:
    """Of the accounts those that have a metering point with a meter in the period, in their order (None: of all)."""
    from keyacct.registry.parameters import point_parameters

    from_ms, end_ms = period.bounds_ms(workspace.zone)
    to_ms = max(from_ms, min(end_ms, clock.now_ms()))
    found = set(point_parameters(workspace, from_ms, to_ms if to_ms > from_ms else end_ms)["account_no"].to_pylist())
    found.discard(None)
    return sorted(found) if accounts is None else [account for account in accounts if account in found]
