"""Frames of many terminals as readings, in one pass."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from keyacct import wire

if TYPE_CHECKING:
    import pyarrow as pa

    from keyacct import _core

_TIME_OF_RECEIPT, _SUSPECT = 64, 512


def frame_readings(
    frames: Sequence[bytes],
    received_ms: Sequence[int],
    protocol: str,
    zone: zoneinfo.ZoneInfo,
    registers: _core.Registers | None = None,
    unverified: Collection[int] = (),
) -> pa.Table:
    """Readings of frames: the columns of `keyacct.wire.decode` and `recv_at` (UTC).

    Where a value has no time of its own, `time` is that of receipt in `zone`, marked `time_of_receipt`: as a replay of
    the same bytes gives it. unverified: numbers of the frames whose values are marked `suspect`, for it is not sure
    whose they are.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = wire.decode(b"".join(frames), protocol, registers=registers, threads=1)
    starts = np.fromiter(accumulate((len(f) for f in frames), initial=0), np.int64, len(frames) + 1)
    numbers = np.searchsorted(starts, table["offset"].to_numpy(), side="right") - 1
    received = pa.array(np.asarray(received_ms, np.int64)[numbers], pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    local = pc.local_timestamp(received.cast(pa.timestamp("ms", tz=str(zone))))
    undated = pc.is_null(table["time"])
    quality = pc.bit_wise_or(
        table["quality"], pc.if_else(undated, pa.scalar(_TIME_OF_RECEIPT, pa.uint16()), pa.scalar(0, pa.uint16()))
    )
    if unverified:
        doubted = pa.array(np.isin(numbers, list(unverified)))
        quality = pc.bit_wise_or(
            quality, pc.if_else(doubted, pa.scalar(_SUSPECT, pa.uint16()), pa.scalar(0, pa.uint16()))
        )
    time = pc.if_else(undated, local, table["time"])
    table = table.set_column(table.column_names.index("time"), "time", time)
    table = table.set_column(table.column_names.index("quality"), "quality", quality)
    return table.append_column("recv_at", received)
