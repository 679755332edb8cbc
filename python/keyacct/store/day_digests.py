"""What the samples of a civil day are, as a digest: it changes when the day gains, loses or rewrites a segment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.store.index import live_segments
from keyacct.store.resolve import device_aliases


def day_digests(workspace: Workspace, families: Sequence[str], days: Sequence[str]) -> list[str]:
    """SHA-256 per day over the live segments of some families, from one snapshot of the index.

    Days are ISO dates, in the order of the result. Rows of devices without a meter make a day depend on the registry's
    list of devices too.
    """
    found: dict[str, list[list[str]]] = {day: [] for day in days}
    unresolved = set()
    with open_database(workspace).read() as connection:
        for family in families:
            for segment in live_segments(connection, family, days=days):
                found[segment.day].append([family, segment.path, segment.sha256])
                if segment.unresolved_rows:
                    unresolved.add(segment.day)
        if unresolved:
            aliases = hashlib.sha256()
            for row in device_aliases(connection).to_pylist():
                aliases.update(json.dumps(row, sort_keys=True, default=str).encode())
            for day in unresolved:
                found[day].append(["devices", aliases.hexdigest()])
    return [hashlib.sha256(json.dumps(sorted(found[day])).encode()).hexdigest() for day in days]
