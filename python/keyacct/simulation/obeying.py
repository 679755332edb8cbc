"""How simulated devices obey control: DL/T 645 1CH, Q/GDW 1376.1 AFN 04 and 05, DL/T 698.45 objects 8000, 8001, 8105."""

from __future__ import annotations

import datetime as dt
from typing import Any

from keyacct.simulation.breaker import Breakers, Limit, mask
from keyacct.simulation.device import Meter

HALF_HOUR_MIN = 30
_LONGEST_PASSWORD = 16


def obey_645(meter: Meter, request: dict[str, Any]) -> str | None:
    """What a meter does of relay control: None, or the error byte of its refusal. Bit 2: password, bit 0: anything else."""
    raw: bytes = request.get("frame", b"")
    if raw and bytes(b - 0x33 & 0xFF for b in raw[10:14]) != bytes.fromhex(meter.password):
        return "04"
    if str(request.get("password_level", "")) not in ("", str(int(meter.password[:2]))):
        return "04"
    until = request.get("deadline_bcd_YYMMDDhhmmss")
    if until and int(until) and dt.datetime.strptime(until, "%y%m%d%H%M%S") < meter.now():  # noqa: DTZ007  # its own civil time
        return "01"
    kind = int(str(request.get("n1", 0)), 0)
    breakers = meter.breakers
    if kind == 0x1A:
        if not breakers.trip(1, 0, None):
            return "01"
    elif kind in (0x1B, 0x1C):
        breakers.permit(1)
    elif kind in (0x2A, 0x2B):
        breakers.sounding = kind == 0x2A
    elif kind == 0x3A:
        breakers.keep(None)
    elif kind == 0x3B:
        breakers.end_keeping()
    else:
        return "01"
    return None


def status_word_3(meter: Meter) -> str:
    """Status word 3 (04000503): bit 4 relay, bit 6 relay command, bit 7 alarm before a trip."""
    opened = bool(meter.breakers.open_rounds)
    word = opened << 4 | opened << 6 | meter.breakers.sounding << 7
    return f"{word:04X}"


# Q/GDW 1376.1 --------------------------------------------------------------------------------------------------------


def is_late(frame: bytes, now: dt.datetime) -> bool:
    """Whether the time tag of a 1376.1 frame (Tp) says that it came too late: such a frame is dropped."""
    if not frame[13] & 0x80:
        return False
    second, minute, hour, day, allowed = frame[-7:-2]
    if not allowed:
        return False
    try:
        sent = now.replace(day=_bcd(day), hour=_bcd(hour), minute=_bcd(minute), second=_bcd(second), microsecond=0)
    except ValueError:
        return True
    return abs((now - sent).total_seconds()) > allowed * 60


def password_is(frame: bytes, password: bytes) -> bool:
    """Whether the PW of a 1376.1 frame is the terminal's."""
    end = len(frame) - 2 - (6 if frame[13] & 0x80 else 0)
    return frame[end - _LONGEST_PASSWORD : end] == password


def obey_1376(breakers: Breakers, item: dict[str, Any], afn: str) -> bool:
    """What a terminal does of one item of AFN 05 or 04; False when it denies."""
    pn, fn = item["pn"], item["fn"]
    values = {value["quantity"]: value["value"] for value in item.get("values", [])}
    if afn == "04":
        return _set_1376(breakers, pn, fn, values)
    if fn == 1 and 1 <= pn <= 8:
        half_hours = values["trip_duration"]
        return breakers.trip(pn, values["trip_delay"], half_hours * HALF_HOUR_MIN or None)
    if fn == 2 and 1 <= pn <= 8:
        breakers.permit(pn)
        return True
    if fn in {11, 19} and pn in breakers.limits:
        breakers.limits[pn].enabled = fn == 11
        return True
    if fn == 12 and 1 <= pn <= 8:
        minutes = values["freeze_delay"] + values["float_duration"] * HALF_HOUR_MIN
        breakers.float_until[pn] = breakers.now() + dt.timedelta(minutes=minutes)
        breakers.float_pct[pn] = -int(values["float_coefficient"])
        return True
    if fn == 20:
        return breakers.float_until.pop(pn, None) is not None
    if fn == 25:
        breakers.keep(values["keep_supply_duration"] * HALF_HOUR_MIN or None)
        return True
    if fn == 33:
        breakers.end_keeping()
        return True
    if fn in {28, 36}:
        breakers.excluded = fn == 28
        return True
    return False


def _set_1376(breakers: Breakers, pn: int, fn: int, values: dict[str, Any]) -> bool:
    if not 1 <= pn <= 8:
        return False
    if fn == 44:
        first, last = (dt.date.fromisoformat(values[f"suspension_{name}"]) for name in ("start", "end"))
        breakers.limits[pn] = Limit(first, last, float(values["suspension_power_limit"]))
        return True
    if fn == 45:
        breakers.power_rounds[pn] = int(values["power_rounds"], 16)
        return True
    return False


def state_1376(breakers: Breakers, fn: int) -> dict[str, Any] | None:
    """0C F5 (what is set) or F6 (what holds now), as an item."""
    now = breakers.now()
    groups = sorted(set(breakers.limits) | {g for g, until in breakers.float_until.items() if now < until})
    told = f"{sum(1 << group - 1 for group in groups):02X}"
    values: list[Any]
    if fn == 5:
        values = [f"{breakers.keep_supply | breakers.excluded << 1:02X}", told]
        for group in groups:
            limit = breakers.limits.get(group)
            floats = group in breakers.float_until and now < breakers.float_until[group]
            power = (limit is not None and limit.enabled) << 2 | floats << 3
            values += [0, "00", f"{power:02X}", "00", f"{breakers.power_rounds.get(group, 0):02X}", "00"]
    elif fn == 6:
        values = [mask(breakers.open_rounds), "00", told]
        for group in groups:
            limit = breakers.limits.get(group)
            opened = breakers.power_rounds.get(group, 0) if limit is not None and limit.holds(now) else 0
            pct = -breakers.float_pct.get(group, 0)
            values += [limit.limit_kw if limit else 0, pct, f"{opened:02X}", "00", "00", mask(breakers.alarming), "00"]
    else:
        return None
    return {"pn": 0, "fn": fn, "values": values}


def parameters_1376(breakers: Breakers, pn: int, fn: int) -> dict[str, Any] | None:
    """0A F44 or F45 of a totals group, as an item."""
    if fn == 45:
        return {"pn": pn, "fn": 45, "values": [f"{breakers.power_rounds.get(pn, 0):02X}"]} if 1 <= pn <= 8 else None
    limit = breakers.limits.get(pn)
    if limit is None or fn != 44:
        return None
    return {"pn": pn, "fn": 44, "values": [limit.first.isoformat(), limit.last.isoformat(), limit.limit_kw]}


# DL/T 698.45 ---------------------------------------------------------------------------------------------------------


def obey_698(breakers: Breakers, apdu: dict[str, Any]) -> int:
    """What a terminal does of an ACTION or of a SET of rounds: the DAR (0 done, 3 refused, 6 does not exist, 32 late)."""
    tag = apdu.get("time_tag")
    if tag:
        sent = dt.datetime.fromisoformat(tag["time"])
        allowed = tag["allowed_delay"]
        seconds = {"second": 1, "minute": 60, "hour": 3600}.get(allowed["unit"], 86_400) * allowed["value"]
        if seconds and abs((breakers.now() - sent).total_seconds()) > seconds:
            return 32
    data = apdu.get("data")
    if "oad" in apdu:
        return _rounds_698(breakers, str(apdu["oad"]), data)
    return _method_698(breakers, str(apdu.get("omd")), data)


def _method_698(breakers: Breakers, omd: str, data: Any) -> int:
    if omd in ("80007F00", "80008000"):
        breakers.sounding = omd == "80007F00"
    elif omd in ("80008100", "80008200"):
        for part in data["array"]:
            relay = int(part["structure"][0]["OAD"][6:8], 16)
            if omd == "80008200":
                breakers.permit(relay)
            elif not breakers.trip(
                relay, part["structure"][1]["unsigned"], part["structure"][2]["long-unsigned"] or None
            ):
                return 3
    elif omd == "80017F00":
        breakers.keep(None)
    elif omd in ("80018000", "80018100"):
        breakers.end_keeping()
    elif omd == "81050300":
        group, start, end, watts = data["structure"]
        first, last = (dt.datetime.fromisoformat(part["date_time_s"]).date() for part in (start, end))
        breakers.limits[int(group["OI"], 16) & 0xFF] = Limit(first, last, watts["long64"] / 10_000)
    elif omd in ("81050600", "81050700"):
        limit = breakers.limits.get(int(data["OI"], 16) & 0xFF)
        if limit is None:
            return 6
        limit.enabled = omd == "81050600"
    else:
        return 6
    return 0


def _rounds_698(breakers: Breakers, oad: str, data: Any) -> int:
    if not (oad.startswith("23") and oad.endswith("0E00") and 1 <= int(oad[2:4], 16) <= 8):
        return 6
    bits = f"{int(data['bit-string']['hex'], 16):08b}"
    breakers.power_rounds[int(oad[2:4], 16)] = sum(1 << n for n, bit in enumerate(bits) if bit == "1")
    return 0


def state_698(breakers: Breakers, oad: str) -> dict[str, Any] | None:
    """An attribute of objects 8000, 8001, 8105 or the rounds of a totals group as data; None for any other."""
    limits = breakers.limits
    if oad in ("80000300", "80000500"):
        return _bits(breakers.open_rounds)
    if oad == "80000400":
        return _bits(breakers.alarming | ({1} if breakers.sounding else set()))
    if oad == "80010200":
        return {"enum": int(breakers.keep_supply)}
    if oad == "81050200":
        return {"array": [{"structure": _unit(group, limit)} for group, limit in sorted(limits.items())]}
    if oad == "81050300":
        return {
            "array": [
                {"structure": [{"OI": f"{0x2300 + group:04X}"}, {"enum": int(limit.enabled)}]}
                for group, limit in sorted(limits.items())
            ]
        }
    if oad.startswith("23") and oad.endswith("0E00") and int(oad[2:4], 16) in breakers.power_rounds:
        rounds = breakers.power_rounds[int(oad[2:4], 16)]
        return _bits({n + 1 for n in range(8) if rounds >> n & 1})
    return None


def _unit(group: int, limit: Limit) -> list[dict[str, Any]]:
    return [
        {"OI": f"{0x2300 + group:04X}"}, {"date_time_s": f"{limit.first}T00:00:00"},
        {"date_time_s": f"{limit.last}T00:00:00"}, {"long64": round(limit.limit_kw * 10_000)},
    ]  # fmt: skip


def _bits(rounds: set[int]) -> dict[str, Any]:
    """A bit-string of eight, round 1 first."""
    return {"bit-string": {"bits": 8, "hex": f"{sum(0x80 >> number - 1 for number in rounds):02X}"}}


def _bcd(byte: int) -> int:
    if byte >> 4 > 9 or byte & 15 > 9:
        raise ValueError
    return (byte >> 4) * 10 + (byte & 15)
