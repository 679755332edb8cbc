"""CPU seconds of a month's answers from samples and from kept day states, over a store made for it.

`day_states.py FOLDER [METERS] [DAYS]`: makes the store where it is not there yet, then runs each command in turn (samples,
states, a day more) and prints the medians of `TURNS`, the shares, and the bytes of states per meter and day. Not a test:
other programs on the machine change what it measures, though not the shares.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TURNS = int(os.environ.get("TURNS", "3"))
START_MS = 1_780_243_200_000  # 2026-06-01 00:00 in Shanghai
QUARTER_MS = 900_000
NOW = "2026-08-01T00:00+08:00"
COMMANDS = (
    "voltage", "pf", "load", "query energy tariff_energy --bucket month --by supply_line",
    "query energy --bucket day --by supply_line",
)  # fmt: skip


def registry(meters: int) -> str:
    """Accounts with one point each, a tariff table, limits and ratios."""
    parts = ['[[tariff_table]]\ntariff_table = "T"\n']
    slots = (("valley", "00:00", "08:00"), ("peak", "08:00", "12:00"), ("flat", "12:00", "24:00"))
    for period, start, end in slots:
        parts.append(
            f'[[tariff_slot]]\ntariff_table = "T"\nperiod = "{period}"\nstart_min = "{start}"\nend_min = "{end}"\n'
        )
    for n in range(meters):
        parts.append(
            f'[[account]]\naccount_no = "A{n:05}"\naccount_name = "A"\n[[point]]\npoint = "P{n:05}"\n'
            f'[[point_account]]\npoint = "P{n:05}"\naccount_no = "A{n:05}"\n[[meter]]\nmeter_no = "M{n:05}"\n'
            f'[[meter_point]]\nmeter_no = "M{n:05}"\npoint = "P{n:05}"\n'
            f'[[point_ratio]]\npoint = "P{n:05}"\nwiring = "3p4w"\npt = 1\nct = {20 + n % 7}\n'
            f'[[voltage_limit]]\npoint = "P{n:05}"\nnominal_v = 220\nlower_v = 198\nupper_v = 235.4\n'
            f'[[account_tariff]]\naccount_no = "A{n:05}"\ntariff_table = "T"\n'
            f'[[account_pf_standard]]\naccount_no = "A{n:05}"\npf_standard = 0.9\n'
        )
    return "".join(parts)


def make(root: Path, meters: int, days: int) -> None:
    """The store: voltages, powers and registers every quarter of an hour, a day more than asked for on each side."""
    run("init", str(root), "--now", NOW)
    file = root.parent / "registry.toml"
    file.write_text(registry(meters), encoding="utf-8")
    run("registry", "import", str(file), "--workspace", str(root))
    random = np.random.default_rng(1)
    register = np.zeros((meters, 2))
    for day in range(-1, days + 1):
        stamps = START_MS + day * 96 * QUARTER_MS + np.arange(1, 97) * QUARTER_MS
        size = meters * 96
        names = pa.array(np.repeat([f"M{n:05}" for n in range(meters)], 96))
        at = pa.array(np.tile(stamps, meters), pa.timestamp("ms", "UTC"))
        digits = lambda low, high, scale, size=size: np.round(random.uniform(low, high, size), scale)  # noqa: E731  a column
        levels = {f"u{x}": digits(195, 240, 1) for x in "abc"} | {"p": digits(0, 60, 4), "q": digits(-5, 20, 4)}
        steps = np.round(random.uniform(0, 15, (meters, 96, 2)), 2)
        rising = np.round(register[:, None, :] + np.cumsum(steps, axis=1), 2)
        register = rising[:, -1, :]
        energies = {"wp": rising[:, :, 0].ravel(), "wq": rising[:, :, 1].ravel()}
        for kind, columns, mapped in (
            ("interval", levels, "ua=voltage.a,ub=voltage.b,uc=voltage.c,p=power.p,q=power.q"),
            ("register", energies, "wp=energy.import,wq=energy.q1"),
        ):
            file = root.parent / f"{kind}.parquet"
            pq.write_table(pa.table({"meter": names, "ts": at, **columns}), file)
            run("samples", "import", str(file), "--meter-column", "meter", "--map", mapped, "--kind", kind,
                "--workspace", str(root), "--now", NOW)  # fmt: skip
            file.unlink()


def run(*arguments: str) -> tuple[float, str]:
    """CPU seconds of the whole process, and the digest of what it wrote."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "keyacct.cli", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, hashlib.sha256(done.stdout).hexdigest()


def measure(root: Path, days: int) -> None:
    """Every command over the month: from samples, with all states to make, from states, with a day to make."""
    settings = (root / "keyacct.toml").read_text(encoding="utf-8")
    plain = settings.replace("[samples]", "[samples]\nday_states = false", 1)
    shutil.rmtree(root / "states", ignore_errors=True)
    last = f"day=2026-06-{days:02}"
    print("command | samples | making all | from states | share | a day more | share")
    for command in COMMANDS:
        given = [*command.split(), "--period", f"2026-06-01..2026-06-{days:02}", "--workspace", str(root), "--now", NOW,
                 "--format", "json"]  # fmt: skip
        found: dict[str, list[float]] = {"samples": [], "making": [], "states": [], "day": []}
        texts = set()
        for _ in range(TURNS):
            for way, spent in found.items():
                (root / "keyacct.toml").write_text(plain if way == "samples" else settings, encoding="utf-8")
                if way == "making":
                    shutil.rmtree(root / "states", ignore_errors=True)
                if way == "day":
                    for folder in root.glob(f"states/*/{last}"):
                        shutil.rmtree(folder)
                cpu, text = run(*given)
                spent.append(cpu)
                texts.add(text)
        if len(texts) != 1:
            raise SystemExit(f"{command}: the answers differ")
        of = {way: statistics.median(cpu) for way, cpu in found.items()}
        print(
            f"{command} | {of['samples']:.2f} | {of['making']:.2f} | {of['states']:.2f} | {of['states'] / of['samples']:.3f}"
            f" | {of['day']:.2f} | {of['day'] / of['samples']:.3f}", flush=True,
        )  # fmt: skip
    (root / "keyacct.toml").write_text(settings, encoding="utf-8")
    start = statistics.median(run("--version")[0] for _ in range(TURNS))
    print(f"start of the program alone: {start:.2f}")


def sizes(root: Path, meters: int) -> None:
    """Bytes of states per meter and day, by kind."""
    for command in ("voltage", "pf", "load"):
        run(command, "--period", "2026-06-10..2026-06-20", "--workspace", str(root), "--now", NOW, "--format", "json")
    for kind in sorted((root / "states").iterdir()):
        files = list(kind.glob("day=2026-06-15/*.state"))
        print(f"{kind.name}: {sum(file.stat().st_size for file in files) / meters:.0f} bytes a meter and day")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    meters, days = (
        (int(text) for text in (*sys.argv[2:], "1000", "30")[:2]) if len(sys.argv) < 4 else map(int, sys.argv[2:4])
    )
    os.nice(5)
    if not (folder / "w").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder / "w", meters, days)
    measure(folder / "w", days)
    sizes(folder / "w", meters)
