"""What one process costs, measured by a small parent: a process counts the memory of whoever started it as its own peak.

python meter.py FILE COMMAND...     writes {"wall_s", "cpu_s", "rss_mb"} to FILE, ends with the command's code
"""

from __future__ import annotations

import json
import os
import sys
import time

start = time.monotonic()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
wall_s = time.monotonic() - start
with open(sys.argv[1], "w") as out:
    json.dump({"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "rss_mb": usage.ru_maxrss / 1024}, out)
sys.exit(os.waitstatus_to_exitcode(status))
