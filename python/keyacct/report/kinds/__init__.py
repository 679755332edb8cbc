"""Every report kind, by its name on the command line. A new report is one module here and one entry below."""

from keyacct.report.kind import Kind
from keyacct.report.kinds import energy, month, pf
from keyacct.report.kinds.catalogue import UNAVAILABLE

KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    month.KIND, energy.KIND, pf.KIND, *UNAVAILABLE,
)}

__all__ = ["KINDS"]
