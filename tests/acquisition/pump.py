"""Serial lines between two programs of this machine."""

import contextlib
import os
import select
import termios
import threading
import tty

SPEEDS = {termios.B1200: 1200, termios.B2400: 2400, termios.B4800: 4800, termios.B9600: 9600}


class Pump:
    """Two pseudo-terminals whose far ends are joined, so that two programs share a serial line."""

    def __init__(self):
        self.ends = [os.openpty(), os.openpty()]
        self.names = [os.ttyname(slave) for _, slave in self.ends]
        for end in (end for pair in self.ends for end in pair):
            tty.setraw(end)
        self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def carried(self, data):
        """What arrives at the other end."""
        return data

    def _run(self):
        first, second = self.ends[0][0], self.ends[1][0]
        while True:
            ready, _, _ = select.select([first, second, self._stop[0]], [], [])
            if self._stop[0] in ready:
                return
            for source in ready:
                with contextlib.suppress(OSError):
                    os.write(second if source == first else first, self.carried(os.read(source, 4096)))

    def close(self):
        os.write(self._stop[1], b"x")
        self._thread.join()
        for descriptor in [*self._stop, *(end for pair in self.ends for end in pair)]:
            with contextlib.suppress(OSError):
                os.close(descriptor)


class SpeedLine(Pump):
    """Two ports on one line: bytes get through as they are only where the second is set to the speed of the first.

    (A pseudo-terminal keeps the baud rate that it is given, but no parity; set again to the parity that it does not
    keep, it refuses.)
    """

    def __init__(self, baud):
        self.baud, self.tried = baud, set()
        super().__init__()

    def carried(self, data):
        baud = SPEEDS.get(termios.tcgetattr(self.ends[1][1])[4])
        self.tried.add(baud)
        return data if baud == self.baud else bytes(byte * 3 & 0x7F for byte in data[::2])
