"""Lets the tests of this folder and of the command line share one maker of problem folders."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
