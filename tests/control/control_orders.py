"""Orders and random commands for the tests of control."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from keyacct import clock
from keyacct.control.commands import Alarm, DownFloat, EnableLimit, KeepSupply, PermitClose, PowerLimit, Trip
from keyacct.control.encoding import Stamp
from keyacct.control.orders import Order
from keyacct.control.targets import RelayRound, Target

ADDRESSES = {"gdw1376.1": "3701-0001", "dlt645-2007": "000000000161", "dlt698.45": "000000000002"}


def order_of(command, protocol="gdw1376.1", *, minutes=10, **more):
    now_ms = clock.now_ms()
    given = {"requested_by": "li", "reason": "test", "not_before_ms": now_ms, "not_after_ms": now_ms + minutes * 60_000}
    target = more.pop("target", None) or Target(protocol, ADDRESSES[protocol])
    return Order(target, command, **{**given, **more})


# Random commands -------------------------------------------------------------------------------------------------------

ROUNDS = st.integers(1, 8).map(RelayRound)
GROUPS = st.integers(1, 8)
DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2090, 1, 1))
LIMITS_KW = st.one_of(st.integers(1, 999), st.integers(100, 999).map(lambda kw: kw * 10))


def _limit(kind):
    def make(group, relay, kw, first, days):
        last = first + dt.timedelta(days=days)
        if kind is PowerLimit:
            return PowerLimit(group, relay, kw, first, last)
        return EnableLimit(group, kw, first, last, relay)

    return st.builds(make, GROUPS, ROUNDS, LIMITS_KW, DAYS, st.integers(1, 400))


COMMANDS = {
    "gdw1376.1": st.one_of(
        st.builds(Trip, ROUNDS, st.integers(1, 15).map(lambda n: n * 30), st.integers(0, 15)),
        st.builds(PermitClose, ROUNDS),
        _limit(PowerLimit),
        st.builds(
            DownFloat, GROUPS, ROUNDS, st.integers(1, 79), st.integers(1, 255).map(lambda n: n * 30),
            st.integers(1, 60), st.integers(5, 60), st.tuples(*[st.integers(0, 255)] * 4),
        ),
        st.builds(KeepSupply, st.integers(1, 255).map(lambda n: n * 30)),
    ),
    "dlt645-2007": st.one_of(
        st.just(Trip(None, 1)), st.just(PermitClose(None)), st.builds(Alarm, st.booleans()), st.just(KeepSupply(None))
    ),
    "dlt698.45": st.one_of(
        st.builds(Trip, ROUNDS, st.integers(1, 65_535), st.integers(0, 255)),
        st.builds(PermitClose, ROUNDS),
        _limit(PowerLimit),
        st.just(KeepSupply(None)),
        st.builds(Alarm, st.booleans()),
    ),
}  # fmt: skip
PROTOCOL_COMMANDS = st.sampled_from(sorted(COMMANDS)).flatmap(
    lambda protocol: st.tuples(st.just(protocol), COMMANDS[protocol])
)

STAMP = Stamp(dt.datetime(2026, 7, 1, 10, 0, 5), dt.datetime(2026, 7, 1, 10, 10), 5, 7)
