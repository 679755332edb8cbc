"""Lets the tests of this folder share one maker of packets and capture files."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
