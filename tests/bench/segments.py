"""What the physical layout of wide samples costs: bytes a row and CPU of decoding, of each layout, one thread.

    python tests/bench/segments.py [--data DIR] [--meters 350] [--turns 5] [--json FILE]

Without `--data` (part-*.parquet with float columns) both layouts of a synthetic month are made. Columns of the table:
`keyacct`: CPU of the core's reader for all nine columns, meters and times settled, no arithmetic (the limits name no meter of the
data); `pyarrow`: batches of 65 536 rows by pyarrow; `+ C`: the same, each batch handed over by the Arrow C data interface,
as a kernel that took pyarrow's batches would have it. Every layout is read back and compared with the floats it was made
from: to the bit, decimals by way of the nearest number of the column's precision.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import samples

from keyacct import _core

VALUES = ("ua", "ub", "uc", "p", "q", "ep", "eq")
DECIMALS = {"ua": 1, "ub": 1, "uc": 1, "p": 4, "q": 4, "ep": 2, "eq": 2}
BATCH = 65_536


def encoded(name: str) -> dict[str, object]:
    """Options of pyarrow's writer for values in this encoding."""
    columns = {**dict.fromkeys(VALUES, name), "ts": "DELTA_BINARY_PACKED"}
    return {"use_dictionary": ["meter_id"], "column_encoding": columns}


LAYOUTS: dict[str, tuple[bool, dict[str, object]]] = {
    "floats, dictionary, zstd (as usual)": (False, {"compression": "zstd"}),
    "floats, dictionary, lz4": (False, {"compression": "lz4"}),
    "floats, plain, none": (False, {"compression": "none", **encoded("PLAIN")}),
    "floats, byte streams, zstd": (False, {"compression": "zstd", **encoded("BYTE_STREAM_SPLIT")}),
    "decimals, dictionary, zstd": (True, {"compression": "zstd"}),
    "decimals, plain, none": (True, {"compression": "none", **encoded("PLAIN")}),
    "decimals, plain, zstd": (True, {"compression": "zstd", **encoded("PLAIN")}),
    "decimals, byte streams, zstd": (True, {"compression": "zstd", **encoded("BYTE_STREAM_SPLIT")}),
    "decimals, byte streams, lz4": (True, {"compression": "lz4", **encoded("BYTE_STREAM_SPLIT")}),
    "decimals, delta, zstd": (True, {"compression": "zstd", **encoded("DELTA_BINARY_PACKED")}),
    "decimals, delta, lz4": (True, {"compression": "lz4", **encoded("DELTA_BINARY_PACKED")}),
    "decimals, delta, none (chosen)": (True, {"compression": "none", **encoded("DELTA_BINARY_PACKED")}),
    "  row groups of 65 536": (True, {"compression": "none", "row_group_size": 65_536, **encoded("DELTA_BINARY_PACKED")}),
    "  row groups of 1 048 576": (
        True, {"compression": "none", "row_group_size": 1_048_576, **encoded("DELTA_BINARY_PACKED")},
    ),
}  # fmt: skip


def as_decimals(table: pa.Table) -> pa.Table:
    """The same with exact decimals; fails where a decimal does not lead back to its float."""
    for name, scale in DECIMALS.items():
        column = table[name].combine_chunks()
        null = column.is_null().to_numpy(zero_copy_only=False)
        floats = np.nan_to_num(column.to_numpy(zero_copy_only=False))
        whole = np.rint(floats.astype("f8") * 10**scale).astype("i8")
        if not np.array_equal((whole / 10**scale).astype(floats.dtype), floats):
            raise SystemExit(f"{name} has more than {scale} decimals")
        words = np.zeros((len(whole), 2), "i8")
        words[:, 0], words[:, 1] = whole, whole >> 63
        valid = pa.array(~null).buffers()[1]
        array = pa.Array.from_buffers(pa.decimal128(9, scale), len(whole), [valid, pa.py_buffer(words)])
        table = table.set_column(table.schema.get_field_index(name), name, array)
    return table.replace_schema_metadata({"keyacct.single_precision": "ua,ub,uc,p,q"})


def exact(path: Path, floats: pa.Table) -> None:
    """Fails unless the file leads back to the floats."""
    read = pq.read_table(path)
    for name in VALUES:
        # By way of text: Arrow's own cast of a decimal is not always the nearest number.
        decimal = pa.types.is_decimal(read[name].type)
        back = (read[name].cast(pa.string()) if decimal else read[name]).cast(floats[name].type)
        if not pc.all(pc.equal(back.fill_null(-1), floats[name].fill_null(-1))).as_py():
            raise SystemExit(f"{path}: {name} does not come back")


def cpu(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def pyarrow_batches(path: Path, *, hand_over: bool) -> None:
    structs = _c_structs() if hand_over else None
    for batch in pq.ParquetFile(path, read_dictionary=["meter_id"]).iter_batches(BATCH, use_threads=False):
        if structs is not None:
            array, schema = structs
            batch._export_to_c(array, schema)
            pa.RecordBatch._import_from_c(array, schema)


def _c_structs() -> tuple[int, int]:
    """Room for an ArrowArray (80 bytes) and an ArrowSchema (72 bytes)."""
    global _room
    _room = (np.zeros(16, "i8"), np.zeros(16, "i8"))
    return _room[0].ctypes.data, _room[1].ctypes.data


_room: tuple[np.ndarray, np.ndarray]


def nobody(folder: Path) -> Path:
    """Limits that name no meter of the data."""
    path = folder / "nobody.parquet"
    row = {"meter_id": ["none"], "pt": [1.0], "u_nom": [220.0], "u_lower": [198.0], "u_upper": [235.4], "pf_std": [0.9]}
    pq.write_table(pa.table({**row, "tariff": ["F" * 48]}), path)
    return path


def trial(source: Path, turns: int) -> list[dict[str, object]]:
    """The table of one file of float columns."""
    pa.set_cpu_count(1)
    floats = pq.read_table(source, read_dictionary=["meter_id"]).unify_dictionaries()
    decimals, rows = as_decimals(floats), floats.num_rows
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="keyacct-segments-") as text:
        folder = Path(text)
        limits = nobody(folder)
        paths = {}
        for number, (name, (is_decimal, options)) in enumerate(LAYOUTS.items()):
            paths[name] = folder / str(number) / "part-0000.parquet"
            paths[name].parent.mkdir()
            how = {"row_group_size": 262_144, "store_decimal_as_integer": True, **options}
            pq.write_table(decimals if is_decimal else floats, paths[name], **how)
            exact(paths[name], floats)
        spent: dict[str, list[tuple[float, float, float]]] = {name: [] for name in LAYOUTS}
        for _ in range(turns):
            for name, path in paths.items():
                data = str(path.parent)
                ask = {"interval_ms": 900_000, "loss": 0.7, "threads": 1}
                spent[name].append(
                    (
                        cpu(lambda data=data, ask=ask: _core.month_stats(data, str(limits), **ask)),
                        cpu(lambda path=path: pyarrow_batches(path, hand_over=False)),
                        cpu(lambda path=path: pyarrow_batches(path, hand_over=True)),
                    )
                )
        heads = f"{'B/row':>8s}{'keyacct ns/row':>16s}{'pyarrow ns/row':>16s}{'+ C ns/row':>12s}"
        print(f"\n{source}, {rows} rows, {len(floats['meter_id'].chunk(0).dictionary)} meters\n{'layout':38s}{heads}")
        for name, all_turns in spent.items():
            ns = [statistics.median(turn[n] for turn in all_turns) / rows * 1e9 for n in range(3)]
            bytes_row = paths[name].stat().st_size / rows
            print(f"{name:38s}{bytes_row:8.2f}{ns[0]:16.1f}{ns[1]:16.1f}{ns[2]:12.1f}", flush=True)
            found.append(
                {"layout": name, "bytes_row": bytes_row, "keyacct_ns": ns[0], "pyarrow_ns": ns[1], "c_ns": ns[2]}
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--meters", type=int, default=350)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    choice = parser.parse_args()
    made = Path(tempfile.mkdtemp(prefix="keyacct-segments-"))
    try:
        folders = choice.data
        if not folders:
            folders = [made / layout for layout in ("meter", "time")]
            for folder in folders:
                samples.generate(folder, choice.meters, 30, folder.name)
        found = {str(folder): trial(sorted(folder.glob("part-*.parquet"))[0], choice.turns) for folder in folders}
    finally:
        shutil.rmtree(made)
    if choice.json:
        choice.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
