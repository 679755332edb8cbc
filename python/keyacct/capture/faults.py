"""Faults of a line, made on purpose and repeatably: for tests, and for the simulator's side of a line."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from dataclasses import dataclass

from keyacct.capture.transport import Transport


@dataclass(frozen=True)
class Faults:
    """How often what happens to the bytes of one write or read, each a probability 0..1.

    drop: all of it is lost. flip: one bit changes. split: it comes in pieces, each after split_s. delay: it comes
    delay_s later. echo: what was written comes back first. babble: babble_bytes of noise come before it.
    """

    drop: float = 0.0
    flip: float = 0.0
    split: float = 0.0
    delay: float = 0.0
    echo: float = 0.0
    babble: float = 0.0
    split_s: float = 0.01
    delay_s: float = 1.0
    babble_bytes: int = 64
    seed: int = 0


class FaultInjector:
    """Gives what becomes of a piece of bytes, by one seeded sequence of chances. It sleeps nowhere and owns no line."""

    def __init__(self, faults: Faults, seed: int | None = None) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed if seed is None else seed)  # noqa: S311  # chances, no secret

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def apply(self, data: bytes) -> list[tuple[float, bytes]]:
        """(seconds to wait, bytes) of each piece that arrives; none when all is dropped."""
        faults = self.faults
        if self._happens(faults.drop):
            return []
        if data and self._happens(faults.flip):
            changed = bytearray(data)
            changed[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
            data = bytes(changed)
        wait_s = faults.delay_s if self._happens(faults.delay) else 0.0
        pieces: list[tuple[float, bytes]] = []
        if self._happens(faults.babble):
            pieces.append((wait_s, self._random.randbytes(faults.babble_bytes)))
            wait_s = 0.0
        if len(data) > 1 and self._happens(faults.split):
            cuts = sorted(self._random.sample(range(1, len(data)), min(3, len(data) - 1)))
            edges = [0, *cuts, len(data)]
            for number, (start, end) in enumerate(itertools.pairwise(edges)):
                pieces.append((faults.split_s if number else wait_s, data[start:end]))
            return pieces
        return [*pieces, (wait_s, data)]

    def echoes(self) -> bool:
        """Whether what was just written comes back."""
        return self._happens(self.faults.echo)


class FaultyTransport:
    """A transport whose answers suffer; what is written is left as it is, but may be echoed."""

    def __init__(self, inner: Transport, faults: Faults, seed: int | None = None) -> None:
        self._inner = inner
        self._injector = FaultInjector(faults, seed)
        self._due: deque[tuple[float, bytes]] = deque()

    @property
    def place(self) -> str:
        """Where the line is."""
        return self._inner.place

    def open(self, timeout_s: float) -> None:
        """Open the line below."""
        self._due.clear()
        self._inner.open(timeout_s)

    def write(self, data: bytes, deadline: float) -> None:
        """Send; an echo comes back before anything else."""
        self._inner.write(data, deadline)
        if self._injector.echoes():
            self._due.append((time.monotonic(), data))

    def read(self, deadline: float) -> bytes:
        """What has come through by the deadline."""
        while True:
            now = time.monotonic()
            if self._due and self._due[0][0] <= min(now, deadline):
                return self._due.popleft()[1]
            if self._due:
                until = min(deadline, self._due[0][0])
                time.sleep(max(until - now, 0))
                if until >= deadline:
                    return b""
                continue
            data = self._inner.read(deadline)
            if not data:
                return b""
            at = time.monotonic()
            for wait_s, piece in self._injector.apply(data):
                at += wait_s
                self._due.append((at, piece))

    def close(self) -> None:
        """Close the line below."""
        self._due.clear()
        self._inner.close()
