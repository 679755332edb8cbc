"""`keyacct decode` and `keyacct registers` as scripts see them."""

import json

import pytest

from keyacct.cli.run import run

READ = "FEFEFEFE68610100000000681104333334331416"
ANSWER = "6834010014122368910A33323435A456323232327916"
BROKEN = "6802000000102068110433323433E116"


def call(capsys, *arguments):
    status = run(["decode", *arguments])
    streams = capsys.readouterr()
    return status, streams.out, streams.err


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_words_are_one_stream(capsys):
    status, out, _ = call(capsys, "--format", "jsonl", *[READ[n : n + 2] for n in range(0, len(READ), 2)])
    assert status == 0
    (frame,) = objects(out)
    assert (frame["line"], frame["offset"], frame["length"]) == (1, 4, 16)
    assert (frame["protocol"], frame["valid"], frame["direction"]) == ("dlt645-2007", True, "request")
    assert (frame["address"], frame["control"], frame["di"]) == ("000000000161", "0x11", "00010000")


@pytest.mark.parametrize(("lines", "status"), [([READ, ANSWER], 0), ([READ, BROKEN], 6), ([BROKEN, "00"], 4)])
def test_the_exit_code_tells_all_some_or_none(capsys, tmp_path, lines, status):
    file = tmp_path / "frames.hex"
    file.write_text("# comment\n\n" + "\n".join(lines) + "\n")
    found, out, _ = call(capsys, "--format", "jsonl", str(file))
    assert found == status
    assert [o["line"] for o in objects(out)] == [3, 4]


def test_a_line_without_a_frame_says_what_and_why(capsys):
    status, out, _ = call(capsys, "--format", "jsonl", BROKEN)
    assert status == 4
    (frame,) = objects(out)
    assert frame["valid"] is False
    assert frame["error"]["code"] == "frame.checksum"
    assert frame["error"]["message"] == "checksum E1H, computed E3H"
    assert frame["error"]["offset"] == 0


@pytest.mark.parametrize(
    ("hex_text", "part"),
    [
        ("6803000000681104333336359416", "4 address bytes"),  # public corpus meter-161-37
        ("681290785634126891083333", "8 more bytes"),  # cut from public corpus csharp-645core-05
        # public corpus appframe-02 with the offset 33H taken off the data, CS as captured
        ("68340100141223689106 000101027123 AF16", "33H"),
    ],
)
def test_a_likely_cause_is_named(capsys, hex_text, part):
    _, out, _ = call(capsys, "--format", "jsonl", *hex_text.split())
    assert part in objects(out)[0]["error"]["hint"]


def test_what_is_no_hex_is_an_invalid_line(capsys, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(f"{READ}\nhello\n")
    status, out, _ = call(capsys, "--format", "jsonl", str(file))
    assert status == 6
    assert objects(out)[1]["error"]["code"] == "input.format"


def test_the_tree_names_every_byte_and_marks_the_unexplained(capsys):
    status, out, _ = call(capsys, ANSWER)
    assert status == 0
    assert "Voltage A: 237.1 V" in out
    assert "Voltage B: (no data)" in out
    assert "???" not in out
    # 97-sized identifier in a 2007 request: public corpus peace0phmind-dlt645-03
    _, out, _ = call(capsys, "6867452301000068110244E9E016")
    assert "44 E9  Unexplained ???" in out
    _, out, _ = call(capsys, ANSWER, "--lang", "zh")
    assert "电压 A: 237.1 V" in out


def test_json_is_one_document(capsys):
    status, out, _ = call(capsys, "--format", "json", READ + ANSWER)
    assert status == 0
    assert [frame["direction"] for frame in json.loads(out)] == ["request", "response"]


def test_csv_has_one_row_a_value(capsys):
    _, out, _ = call(capsys, "--format", "csv", ANSWER)
    lines = out.splitlines()
    assert len(lines) == 4
    assert "quantity" in lines[0]


def test_stdin_is_read(capsys, monkeypatch):
    import io
    import sys

    class Stdin:
        buffer = io.BytesIO(READ.encode() + b"\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert call(capsys, "--format", "jsonl", "-")[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("empty", b"", "input.empty"), ("nul", b"\0\1\2", "input.format"), ("folder", None, "input.unreadable")],
)
def test_what_cannot_be_read_is_an_input_error(capsys, tmp_path, name, content, code):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    status, _, err = call(capsys, "--format", "jsonl", str(path))
    assert status == 4
    assert json.loads(err)["error"]["code"] == code


def test_a_missing_file_and_a_wrong_protocol_are_told(capsys, tmp_path):
    assert call(capsys, str(tmp_path / "nothing.hex"))[0] == 4
    status, _, err = call(capsys, "--protocol", "nothing", READ)
    assert status == 2
    assert "dlt645-2007" in err


def test_a_command_to_the_relay_is_told_in_full(capsys):
    # public corpus django-smart-meter-05
    _, out, _ = call(capsys, "--format", "jsonl", "68090051050326681C1035333333333333334D348C8C566445CC8216")
    (frame,) = objects(out)
    assert (frame["password_level"], frame["operator"], frame["n1"]) == (2, "00000000", "0x1A")
    deadline = next(v for v in frame["values"] if v["quantity"] == "command_deadline")
    assert deadline["value"] == "2099-12-31T23:59:59"


def test_registers_are_listed_and_found(capsys):
    assert run(["registers", "02800002", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["quantity"], row["format"]) == ("frequency", "XX.XX")
    assert run(["registers", "--protocol", "nothing"]) == 2
