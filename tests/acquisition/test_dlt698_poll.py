"""DL/T 698.45 on a line: an independent server (PyPI `dlt698`), and devices that do what servers also do."""

from __future__ import annotations

import json
import random
import zoneinfo
from decimal import Decimal

import peer698
import pytest
from dlt698 import Data, Oad, Server
from dlt698 import _native as native

from keyacct import wire
from keyacct.capture import dlt698
from keyacct.capture.items import ItemCatalogue
from keyacct.capture.line import Line
from keyacct.capture.link import parse_link
from keyacct.capture.replay import replay
from keyacct.cli.run import run
from keyacct.errors import UsageError
from keyacct.workflow.poll import make_question, poll_once

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
PROTOCOL = "dlt698.45"
LONG = "active_import,voltage,current,active_power,power_factor,frequency,clock,active_import_demand,active_export"


def asked(port, items, **more):
    more = {"timeout_s": 2.0, "retries": 0} | more
    return make_question(f"socket://127.0.0.1:{port}", PROTOCOL, [peer698.ADDRESS], [items], **more)


def rows_of(result):
    return [(row["quantity"], row["phase"], row["tariff"], row["value"]) for row in result.rows(ZONE)]


INTEGERS = {"uint8": (0, 200), "uint16": (0, 60_000), "uint32": (0, 10**9), "uint64": (0, 10**12), "int8": (-100, 100),
            "int16": (-999, 999), "int32": (-(10**8), 10**8), "int64": (-(10**11), 10**11)}  # fmt: skip
SIZES = {"total_tariffs": 5, "phases": 3, "total_phases": 4, "none": 0}
IN_KILO = (0x2004, 0x2005, 0x2006)  # W, var, VA on the wire; kW, kvar, kVA as the contract of readings has it


def everything(server):
    """Gives every scaled attribute of the peer's catalogue a value; what the peer itself says that each is."""
    chance, truth = random.Random(698), {}
    for thing in native.objects():
        for attribute in thing.attributes:
            kind = (attribute.element_type or attribute.type).name
            if attribute.scaling is None or kind not in INTEGERS or attribute.layout.name not in SIZES:
                continue
            make = getattr(Data, kind)
            count = SIZES[attribute.layout.name]
            drawn = [make(chance.randint(*INTEGERS[kind])) for _ in range(count or 1)]
            value = Data.array(drawn) if count else drawn[0]
            oad = Oad(oi=thing.oi, attribute=attribute.number)
            server.set(oad, value)
            scale = 1000 if thing.oi in IN_KILO else 1
            truth[f"{thing.oi:04X}{attribute.number:02X}00"] = [
                float(Decimal(native.decimal_text(number)) / scale) for number in native.engineering_values(oad, value)
            ]
    return truth


def test_every_scaled_attribute_of_the_foreign_server_comes_back_right():
    options = native.ServerOptions()
    options.protocol = peer698.options(blocks=True, frame=512)
    with Server(options=options) as server:
        truth = everything(server)
        server.start_tcp("127.0.0.1", 0)
        result = poll_once(asked(server.local_port, ",".join(truth)), ZONE)
        assert len(truth) >= 100
        told = {answer.item.key: [row["value"] for row in answer.values] for answer in result.answers}
        possible = {answer.item.key for answer in result.answers if answer.failure is None}
        assert told == truth
        doubted = {answer.item.key for answer in result.failed if answer.failure.cause == "implausible"}
        assert possible | doubted == set(truth)  # drawn at random, a power factor may be 600


@pytest.mark.parametrize(("blocks", "frame"), [(True, 1024), (True, 128), (False, 128)])
def test_items_of_the_foreign_server_come_back_right_whole_in_blocks_and_in_split_frames(blocks, frame, tmp_path):
    trace = tmp_path / "trace.pcap"
    with peer698.meter(blocks=blocks, frame=frame) as port:
        result = poll_once(asked(port, LONG, trace=str(trace)), ZONE)
    assert not result.failed
    assert [row for row in rows_of(result) if row[0] in ("voltage", "active_import", "current", "frequency")] == [
        ("active_import", "total", 0, 123.45), ("active_import", "total", 1, 30), ("active_import", "total", 2, 40),
        ("active_import", "total", 3, 50), ("active_import", "total", 4, 3.45),
        ("voltage", "A", 0, 230.1), ("voltage", "B", 0, 229.9), ("voltage", "C", 0, 230.5),
        ("current", "A", 0, 5.251), ("current", "B", 0, -1.234), ("current", "C", 0, 0), ("frequency", None, 0, 49.98),
    ]  # fmt: skip
    demand = [row for row in result.rows(ZONE) if row["quantity"] == "active_import_demand"]
    assert (demand[0]["value"], demand[0]["time"].isoformat()) == (12.3456, "2026-07-01T08:15:00+08:00")
    again = replay(trace, protocol=PROTOCOL).readings.to_pylist()

    def kept(table):
        return sorted((r["quantity"], r["phase"] or "", r["tariff"], str(r["value"]), str(r["text"]), str(r["time"]))
                      for r in table)  # fmt: skip

    # The server's log-in says its clock and heartbeat, its answer to CONNECT the maker's versions; nobody asked for them.
    unasked = {r["offset"] for r in again if "version" in r["quantity"] or r["quantity"] == "heartbeat_interval"}
    assert kept(result.readings.to_pylist()) == kept(r for r in again if r["offset"] not in unasked)


def test_the_conversation_is_associate_ask_release(monkeypatch):
    seen = []
    exchange = Line.exchange

    def watched(self, request, protocol, **more):
        seen.append(json.loads(next(iter(wire.describe([request.hex()], protocol))))["service"])
        return exchange(self, request, protocol, **more)

    monkeypatch.setattr(Line, "exchange", watched)
    with peer698.meter() as port:
        poll_once(asked(port, LONG), ZONE)
    asked_for = [service for n, service in enumerate(seen) if n == 0 or service != seen[n - 1]]
    assert asked_for == ["CONNECT-Request", "GetRequestNormalList", "RELEASE-Request"]


@pytest.mark.parametrize(("blocks", "frame"), [(True, 1024), (True, 128), (False, 128)])
def test_rows_of_the_foreign_servers_tables_come_back_right(blocks, frame):
    with peer698.recorder(blocks=blocks, frame=frame) as port:
        items = (
            "freeze_day:active_import+voltage@2026-07-02..2026-07-09,freeze_day:voltage@2026-07-04,freeze_month@last"
        )
        result = poll_once(asked(port, items), ZONE)
    assert not result.failed
    days, one, month = (answer.values for answer in result.answers)
    energy = [
        (row["time"].isoformat(), row["value"])
        for row in days
        if row["quantity"] == "active_import" and not row["tariff"]
    ]
    assert energy == [(f"2026-07-{day:02}T00:00:00", day * 10) for day in range(2, 10)]
    voltage = [row["value"] for row in days if row["quantity"] == "voltage" and row["phase"] == "B"]
    assert voltage == [pytest.approx((2201 + day) / 10) for day in range(2, 10)]
    assert [row["value"] for row in one if row["quantity"] == "voltage"] == [220.4, 220.5, 220.6]
    assert {row["time"].isoformat() for row in one} == {"2026-07-04T00:00:00"}
    assert [row["value"] for row in month if row["quantity"] == "active_import"] == [
        100,
        100.01,
        100.02,
        100.03,
        100.04,
    ]
    assert {row["kind"] for row in month if row["quantity"] == "active_import"} == {"freeze_month"}


def test_the_last_events_are_fetched_and_no_more_than_there_are():
    with peer698.recorder() as port:
        result = poll_once(asked(port, "power_down_events@last5"), ZONE)
    (answer,) = result.answers
    assert answer.failure is None
    starts = [row["text"] for row in answer.values if row["quantity"] == "event_start"]
    ends = [row["text"] for row in answer.values if row["quantity"] == "event_end"]
    assert starts == ["2026-07-02T06:00:00", "2026-07-01T06:00:00"]
    assert ends == ["2026-07-02T07:00:00", "2026-07-01T07:00:00"]
    assert {row["kind"] for row in answer.values if row["quantity"] == "event_start"} == {"event"}


def test_what_a_server_has_not_is_a_failure_with_its_reason_and_the_rest_is_read():
    with peer698.meter() as port:
        result = poll_once(asked(port, "voltage,reactive_power,frequency", retries=2), ZONE)
    by_name = {str(answer.item): answer for answer in result.answers}
    assert str(by_name["reactive_power"].failure) == "the meter refused: DAR 4 undefined object"
    assert by_name["reactive_power"].attempts == 1
    assert [by_name[name].failure for name in ("voltage", "frequency")] == [None, None]
    with peer698.recorder() as port:
        result = poll_once(asked(port, "freeze_day:voltage@2027-01-01"), ZONE)
    assert [answer.failure.cause for answer in result.answers] == ["no_data"]


def test_every_result_code_has_words():
    # GB/T and DL/T 698.45-2017, table of DAR: a few whose meaning nobody disputes
    words = {3: "refused", 6: "does not exist", 8: "range", 15: "password"}
    assert all(word in dlt698.dar_text(dar) for dar, word in words.items()), [dlt698.dar_text(dar) for dar in words]
    assert all(len(dlt698.dar_text(dar).split()) > 2 for dar in range(1, 256))


class Device:
    """A server that is made by hand, for what the peer's cannot be made to do."""

    def __init__(self, *, connects=True, answers_connect=True, forgets_after=None, takes=1024, lists=True):
        self.connects, self.answers_connect, self.takes, self.lists = connects, answers_connect, takes, lists
        self.forgets_after, self.connected, self.served = forgets_after, False, 0
        self.services, self.parts, self.lengths = [], b"", []

    def __call__(self, data):
        out = b""
        for text in wire.describe([data.hex()], PROTOCOL):
            message = json.loads(text)
            self.lengths.append(message["length"])
            if "fragment" in message:
                out += self._part(data, message)
            elif "apdu" in message:
                out += self._answer(message["apdu"]) or b""
        return out or None

    def _part(self, data, message):
        self.parts += data
        if message["fragment"]["kind"] != "last":
            number = {"block": message["fragment"]["block"], "kind": "confirm", "payload": ""}
            link = {"dir": 1, "prm": 1, "split": 1, "func": 3}
            return wire.encode({"address": peer698.ADDRESS, "link": link, "fragment": number}, PROTOCOL)
        whole = json.loads(list(wire.describe([self.parts.hex()], PROTOCOL))[-1])["apdu"]
        self.parts = b""
        return self._answer(whole) or b""

    def _answer(self, apdu):
        service = apdu["service"]
        self.services.append(service)
        tails = {"follow_report": None, "time_tag": None}
        head = {"piid_acd": apdu["piid"]}
        if service == "CONNECT-Request":
            if not self.answers_connect:
                return None
            if not self.connects:
                return self._said({"service": "ERROR-Response", **head, "error_type": 2, **tails})
            self.connected = True
            zeros = {"vendor": "00000000", "software_version": "00000000", "software_date": "000000000000",
                     "hardware_version": "00000000", "hardware_date": "000000000000", "extension": "00" * 8}  # fmt: skip
            return self._said({
                "service": "CONNECT-Response", **head, "factory_version": zeros, "protocol_version": 16,
                "protocol_conformance": "FF" * 8, "function_conformance": "FF" * 16, "server_tx_size": self.takes,
                "server_rx_size": self.takes, "server_window": 1, "max_apdu": 1024, "timeout_s": 100, "result": 0,
                "auth": None, **tails,
            })  # fmt: skip
        if service == "RELEASE-Request":
            return self._said({"service": "RELEASE-Response", **head, "result": 0, **tails})
        self.served += 1
        if self.forgets_after is not None and self.served == self.forgets_after:
            self.connected = False
        if self.connects and self.answers_connect and not self.connected:
            return self._said({"service": "ERROR-Response", **head, "error_type": 2, **tails})
        data = {"data": {"array": [{"long-unsigned": n} for n in (2301, 2302, 2303)]}}
        if service == "GetRequestNormalList":
            if not self.lists:
                return self._said({"service": "ERROR-Response", **head, "error_type": 2, **tails})
            results = [{"oad": oad, **data} for oad in apdu["oads"]]
            return self._said({"service": "GetResponseNormalList", **head, "results": results, **tails})
        return self._said({"service": "GetResponseNormal", **head, "oad": apdu["oad"], **data, **tails})

    def _said(self, apdu):
        return wire.encode({"address": peer698.ADDRESS, "apdu": apdu}, PROTOCOL)


VOLTAGE = [("voltage", phase, 0, value) for phase, value in zip("ABC", (230.1, 230.2, 230.3), strict=True)]


def test_a_server_that_knows_no_association_is_read(respond):
    device = Device(connects=False)
    assert rows_of(poll_once(asked(respond(device).port, "voltage"), ZONE)) == VOLTAGE
    assert device.services == ["CONNECT-Request", "GetRequestNormal"]


def test_a_server_that_never_answers_connect_is_read_at_the_second_attempt(respond):
    device = Device(answers_connect=False)
    result = poll_once(asked(respond(device).port, "voltage", timeout_s=0.2, retries=1), ZONE)
    assert rows_of(result) == VOLTAGE
    assert result.answers[0].attempts == 2


def test_a_forgotten_association_is_made_again(respond):
    device = Device(forgets_after=2)
    line = Line(parse_link(f"socket://127.0.0.1:{respond(device).port}"), timeout_s=1)
    for _ in range(3):
        said = dlt698.ask(line, peer698.ADDRESS, {"service": "GetRequestNormal", "oad": "20000200"})
        assert said.refusal is None
    line.close()
    assert device.services.count("CONNECT-Request") == 2


def test_a_server_that_takes_no_lists_is_asked_one_by_one(respond):
    device = Device(lists=False)
    result = poll_once(asked(respond(device).port, "voltage,20000201"), ZONE)
    assert [answer.failure for answer in result.answers] == [None, None]
    # An ERROR-Response may also say that the association is forgotten, so that is tried first.
    once = ["CONNECT-Request", "GetRequestNormalList"]
    assert device.services == [*once, *once, "GetRequestNormal", "GetRequestNormal", "RELEASE-Request"]


def test_a_request_longer_than_the_server_takes_goes_in_split_frames(respond):
    device = Device(takes=64)
    keys = [f"2000020{n}" for n in range(9)] + [f"2001020{n}" for n in range(9)]
    result = poll_once(asked(respond(device).port, ",".join(keys)), ZONE)
    assert all(answer.frames for answer in result.answers)
    assert device.services[1] == "GetRequestNormalList"
    assert device.lengths[0] > 0
    assert max(device.lengths[1:]) <= 64  # CONNECT itself is longer: until then nobody knows


@pytest.mark.parametrize(
    "text",
    ["freeze_day:active_import@", "freeze_day@last0", "freeze_day@2026-07-03..2026-07-01", "freeze_day:no_such@last",
     "freeze_day@2026-13-01", "no_table:voltage@last", "freeze_day@last101"],
)  # fmt: skip
def test_wrong_rows_are_refused_with_how_to_write_them(text):
    with pytest.raises(UsageError) as caught:
        ItemCatalogue().find(text, PROTOCOL)
    assert caught.value.hint


def test_read_by_name_as_the_user_types_it(capsys):
    with peer698.recorder() as port:
        words = ["read", "161", "freeze_day:active_import@2026-07-03", "--link", f"socket://127.0.0.1:{port}"]
        assert run([*words, "--protocol", PROTOCOL, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["time"], row["value"]) for row in rows if row["quantity"] == "active_import"][:1] == [
        ("2026-07-03T00:00:00+08:00", 30)
    ]
