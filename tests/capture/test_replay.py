"""Text logs to readings."""

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from keyacct.capture.replay import parse_assumed_time, replay
from keyacct.errors import InputError, PartialError, UsageError

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
VOLTAGE = "6834010014122368910633343435A456AF16"  # public corpus appframe-02: 237.1 V, phase A
REQUEST = "68610100000000681104333434351716"


def log(tmp_path, *lines):
    file = tmp_path / "log.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def times(found):
    return found.readings["time"].to_pylist()


def test_a_real_serial_log_is_read_to_its_end():
    found = replay(CAPTURES / "wusong0-2018-06-07.txt")
    # whole frames of the log, counted line by line: 68 … 68 … 16 with the right sum
    whole = 0
    for line in (CAPTURES / "wusong0-2018-06-07.txt").read_text().splitlines():
        data = bytes.fromhex(line.partition("#")[0].removeprefix("TX").removeprefix("RX").replace(" ", ""))
        whole += len(data) > 11 and data[-1] == 0x16 and sum(data[:-2]) % 256 == data[-2] and data[7] == 0x68
    assert sum(found.tally.frames.values()) == whole
    assert found.tally.frames == {"dlt645-2007": whole}
    assert found.tally.invalid == {"frame.end_byte": 1}
    assert set(found.readings["device"].to_pylist()) == {"000000000003"}
    assert found.sha256 == hashlib.sha256((CAPTURES / "wusong0-2018-06-07.txt").read_bytes()).hexdigest()


def test_the_carrier_log_keeps_its_times():
    found = replay(CAPTURES / "plc-carrier-2014.txt")
    assert times(found)[0] == dt.datetime(2014, 11, 28, 10, 38, 17)
    assert found.readings["value"].to_pylist()[1] == 36.3
    assert found.tally.undated == 0


def test_a_date_completes_a_time_of_day_and_midnight_is_passed(tmp_path):
    file = log(tmp_path, f"23:59:50 RX {VOLTAGE}", f"00:00:05.250 RX {VOLTAGE}")
    assert times(replay(file)) == [None, None]
    assert times(replay(file, date=dt.date(2026, 7, 1))) == [
        dt.datetime(2026, 7, 1, 23, 59, 50),
        dt.datetime(2026, 7, 2, 0, 0, 5, 250000),
    ]


def test_assumed_times_go_to_undated_frames_only_and_are_marked(tmp_path):
    file = log(tmp_path, f"RX {VOLTAGE}", f"2026-07-01 10:00:00 RX {VOLTAGE}", f"RX {VOLTAGE}")
    found = replay(file, assume_time="2026-06-01T00:00+15min")
    assert times(found) == [
        dt.datetime(2026, 6, 1), dt.datetime(2026, 7, 1, 10), dt.datetime(2026, 6, 1, 0, 15),
    ]  # fmt: skip
    assert found.readings["quality"].to_pylist() == [32, 0, 32]


def test_requests_and_what_the_host_sent_make_no_reading(tmp_path):
    found = replay(log(tmp_path, f"TX {REQUEST}", f"TX {VOLTAGE}", f"RX {VOLTAGE}"))
    assert found.readings["line"].to_pylist() == [3]
    assert found.tally.frames == {"dlt645-2007": 3}


def test_a_frame_cut_over_lines_is_joined_in_its_direction(tmp_path):
    file = log(tmp_path, f"10:00:00 RX {VOLTAGE[:20]}", f"10:00:01 TX {REQUEST}", f"RX {VOLTAGE[20:]}")
    found = replay(file, date=dt.date(2026, 7, 1))
    assert times(found) == [dt.datetime(2026, 7, 1, 10)]
    assert found.tally.noise_bytes == 0


def test_offset_and_line_lead_back_to_the_log(tmp_path):
    file = log(tmp_path, "# comment", f"RX {VOLTAGE}")
    (row,) = replay(file).readings.to_pylist()
    assert row["line"] == 2
    assert file.read_bytes()[row["offset"] :].startswith(b"RX 68")


def test_strict_stops_at_a_broken_frame(tmp_path):
    file = log(tmp_path, f"RX {VOLTAGE}", f"RX {VOLTAGE[:-4]}0016")
    assert replay(file).tally.invalid == {"frame.checksum": 1}
    with pytest.raises(PartialError, match="line 2"):
        replay(file, strict=True)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "input.empty"),
        (b"no hex here at all\n", "input.format"),
        (b"x" * 100_000 + b"\n\0\n", "input.format"),
        (None, "input.unreadable"),
    ],
)
def test_what_is_no_text_log_is_refused(tmp_path, content, code):
    file = tmp_path / "capture"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        replay(file)
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.where["file"] == str(file)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError) as caught:
        replay(tmp_path / "nothing")
    assert caught.value.code == "input.not_found"


def test_the_assumed_time_is_checked():
    assert parse_assumed_time("1970-01-02T00:00+1h") == (86_400_000, 3_600_000)
    assert parse_assumed_time("1970-01-01") == (0, 0)
    for text in ("yesterday", "2026-07-01T00:00+08:00", "2026-07-01+1year", ""):
        with pytest.raises(UsageError):
            parse_assumed_time(text)
