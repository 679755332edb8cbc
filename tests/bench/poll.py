"""The master station against a C epoll master and asyncio, in the same run, with the same frames. `nox -s bench`.

    python tests/bench/poll.py [--terminals 10000] [--rounds 5] [--turns 3] [--json FILE]

Terminals are `terminals.c sim`, a light process of its own, so that it is not what is measured: Q/GDW 1376.1 log-ins, then
rounds of one read of F25 (24 values) and one answer each. CPU is that of the master's process alone, per exchange of
request and checked answer. The C master decodes three voltages; asyncio checks and decodes the same three; the
station keeps every answer and decodes all 24 values of all of them afterwards, timed apart. Sums are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HEAD = b"\x68\x32\x00\x32\x00\x68"
F1, F25 = b"\x00\x00\x01\x00", b"\x01\x01\x01\x03"


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def request(control: int, address: bytes, msa: int, afn: int, seq: int, data: bytes) -> bytes:
    body = bytes((control,)) + address + bytes((msa << 1, afn, seq)) + data
    return HEAD + body + bytes((sum(body) & 0xFF, 0x16))


def volts(frame: bytes) -> int:
    return sum(int(frame[55 + 2 * k : 57 + 2 * k][::-1].hex()) for k in range(3))


def whole(held: bytes) -> tuple[list[bytes], bytes]:
    """Checked frames and the rest; enough for terminals that behave."""
    found = []
    while len(held) >= 16:
        size = (int.from_bytes(held[1:3], "little") >> 2) + 8
        if len(held) < size:
            break
        frame = held[:size]
        if frame[5] == 0x68 and frame[1:3] == frame[3:5] and frame[-1] == 0x16 and sum(frame[6:-2]) & 0xFF == frame[-2]:
            found.append(frame)
            held = held[size:]
        else:
            held = held[1:]
    return found, held


class Asyncio:
    """A bare asyncio master: protocol classes, or a task a terminal on streams. No limits, timers, retries, duplicates."""

    def __init__(self, count: int, rounds: int, streams: bool) -> None:
        self.count, self.rounds, self.streams = count, rounds, streams
        self.sum = self.got = self.logins = 0
        self.peers: list[Any] = []

    def take(self, peer: Any, data: bytes, write: Any) -> None:
        frames, peer.held = whole(peer.held + data)
        for frame in frames:
            if frame[12] == 2:
                peer.address = frame[7:11]
                write(request(0, peer.address, 0, 0, 0x60 | frame[13] & 15, F1))
                self.logins += 1
            elif frame[12] == 0x0C and frame[7:11] == peer.address:
                self.sum += volts(frame)
                self.got += 1
                if peer.answered is not None:
                    peer.answered.put_nowait(frame)
        if self.count in (self.logins, self.got):
            self.over.set()

    async def run(self, sim: str) -> dict[str, Any]:
        self.over = asyncio.Event()
        master = self

        class Peer(asyncio.Protocol):
            held, address, answered = b"", b"", None

            def connection_made(self, transport: Any) -> None:
                self.write = transport.write
                master.peers.append(self)

            def data_received(self, data: bytes) -> None:
                master.take(self, data, self.write)

        class Streamed:
            held, address = b"", b""

            def __init__(self, reader: Any, writer: Any) -> None:
                self.reader, self.writer, self.answered = reader, writer, asyncio.Queue()

            async def exchange(self, number: int) -> None:
                self.writer.write(request(0x4B, self.address, 1, 0x0C, 0x60 | number & 15, F25))
                await self.writer.drain()
                await self.answered.get()

        async def serve(reader: Any, writer: Any) -> None:
            peer = Streamed(reader, writer)
            master.peers.append(peer)
            while data := await reader.read(4096):
                master.take(peer, data, writer.write)
            writer.close()

        loop = asyncio.get_running_loop()
        if self.streams:
            server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
        else:
            server = await loop.create_server(Peer, "127.0.0.1", 0, backlog=4096)
        base = resident_bytes()
        begun, cpu = time.perf_counter(), time.process_time()
        terminals = subprocess.Popen(
            [sim, "sim", str(server.sockets[0].getsockname()[1]), str(self.count)], stdout=subprocess.DEVNULL
        )
        await asyncio.wait_for(self.over.wait(), 100)
        login_s, login_cpu = time.perf_counter() - begun, time.process_time() - cpu
        self.logins = -1
        walls, cpus = [], []
        for number in range(self.rounds):
            self.over.clear()
            self.got = 0
            begun, cpu = time.perf_counter(), time.process_time()
            if self.streams:
                await asyncio.gather(*(peer.exchange(number) for peer in self.peers))
            else:
                for peer in self.peers:
                    peer.write(request(0x4B, peer.address, 1, 0x0C, 0x60 | number & 15, F25))
                await asyncio.wait_for(self.over.wait(), 100)
            walls.append(time.perf_counter() - begun)
            cpus.append(time.process_time() - cpu)
        grown = resident_bytes() - base
        terminals.terminate()
        terminals.wait()
        return {
            "what": "asyncio-streams" if self.streams else "asyncio-protocol", "n": self.count, "login_s": login_s,
            "login_cpu_s": login_cpu, "round_s": statistics.median(walls),
            "us_cpu_per_exchange": statistics.median(cpus) / self.count * 1e6, "kb_per_connection": grown / self.count / 1024,
            "sum": self.sum,
        }  # fmt: skip


def keyacct(sim: str, count: int, rounds: int) -> dict[str, Any]:
    """The station as `keyacct listen` runs it, with its limits, timers and allow-list."""
    import pyarrow.compute as pc

    from keyacct import wire
    from keyacct.capture.master.gdw1376 import Gdw1376Station
    from keyacct.capture.master.limits import Limits

    allowed = [f"3701-{number:04X}" for number in range(1, count + 1)]
    limits = Limits(connections=count + 100, new_per_address=count)
    station = Gdw1376Station("127.0.0.1", 0, limits=limits, allowed=allowed)
    registers = wire.open_registers()
    question = station.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]})
    base = resident_bytes()
    begun, cpu = time.perf_counter(), time.process_time()
    terminals = subprocess.Popen([sim, "sim", str(station.front.port), str(count)], stdout=subprocess.DEVNULL)
    while len(station.sessions) < count:
        station.turn()
        if time.perf_counter() - begun > 100:
            raise SystemExit(f"{len(station.sessions)} of {count} logged in: {dict(station.counts)}")
    login_s, login_cpu = time.perf_counter() - begun, time.process_time() - cpu
    grown = resident_bytes() - base
    walls, cpus, decodes, total, lost = [], [], [], 0, 0
    for _ in range(rounds):
        begun, cpu = time.perf_counter(), time.process_time()
        station.ask(question)
        while station.busy:
            station.turn()
        walls.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - cpu)
        if not decodes:  # Arrow's memory comes with the first decoding and belongs to no connection
            grown = max(grown, resident_bytes() - base)
        frames, _ = station.take()
        lost += count - len(frames)
        cpu = time.process_time()
        table = wire.decode(b"".join(frames), "gdw1376.1", registers=registers, threads=1)
        decodes.append(time.process_time() - cpu)
        of_volts = table.filter(pc.equal(table["quantity"], "voltage"))
        total += round(pc.sum(of_volts["value"]).as_py() * 10)
    lost += len(station.failures)
    station.front.shut()
    terminals.wait()
    return {
        "what": "keyacct", "n": count, "login_s": login_s, "login_cpu_s": login_cpu, "round_s": statistics.median(walls),
        "us_cpu_per_exchange": statistics.median(cpus) / count * 1e6,
        "us_cpu_decode_24_values": statistics.median(decodes) / count * 1e6,
        "kb_per_connection": grown / count / 1024, "lost": lost, "sum": total,
    }  # fmt: skip


def one(what: str, sim: str, count: int, rounds: int) -> dict[str, Any]:
    """One engine in a process of its own."""
    if what == "c-epoll":
        command = [sim, "serve", str(count), str(rounds)]
    else:
        command = [sys.executable, str(Path(__file__)), "--one", what, sim, str(count), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    if done.returncode:
        raise SystemExit(f"{what}: {done.returncode}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1:2] == ["--one"]:
        _, _, what, sim, count, rounds = sys.argv
        if what == "keyacct":
            print(json.dumps(keyacct(sim, int(count), int(rounds))))
        else:
            print(json.dumps(asyncio.run(Asyncio(int(count), int(rounds), what.endswith("streams")).run(sim))))
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--terminals", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="c-epoll,keyacct,asyncio-protocol,asyncio-streams")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise SystemExit("a C compiler is needed for the terminals")
    results: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="keyacct-bench-") as folder:
        sim = str(Path(folder) / "terminals")
        subprocess.run([compiler, "-O3", "-o", sim, str(HERE / "terminals.c")], check=True)
        for _ in range(options.turns):
            for what in options.only.split(","):
                results.setdefault(what, []).append(one(what, sim, options.terminals, options.rounds))
    sums = {result["sum"] for found in results.values() for result in found}
    print(
        f"{options.terminals} terminals, {options.rounds} rounds, {options.turns} turns; sums equal: {len(sums) == 1}"
    )
    medians = {}
    for what, found in results.items():
        keys = [key for key in found[0] if key not in ("what", "n", "sum", "rounds")]
        medians[what] = {key: statistics.median(result[key] for result in found) for key in keys}
        print(what.ljust(18), "  ".join(f"{key} {value:.3f}" for key, value in medians[what].items()))
    failed = len(sums) != 1
    if "keyacct" in results:
        ours = [result["us_cpu_per_exchange"] for result in results["keyacct"]]
        failed |= any(result["lost"] for result in results["keyacct"])
        for what in ("c-epoll", "asyncio-protocol", "asyncio-streams"):
            if what in results:
                theirs = [result["us_cpu_per_exchange"] for result in results[what]]
                ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
                print(
                    f"keyacct / {what}: {statistics.median(ratios):.2f} (turns {', '.join(f'{r:.2f}' for r in ratios)})"
                )
    if options.json:
        options.json.write_text(json.dumps({"medians": medians, "turns": results}, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
