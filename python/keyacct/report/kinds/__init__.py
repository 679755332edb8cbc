"""Every report kind, by its name on the command line. A new report is one module here and one entry below."""

from keyacct.report.kind import Kind
from keyacct.report.kinds import balance, comparison, customer, energy, month, pf, raw, register, sources, summary, voltage
from keyacct.report.kinds.catalogue import UNAVAILABLE

KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    month.KIND, customer.KIND, summary.KIND, raw.KIND, register.KIND, energy.KIND, comparison.KIND, sources.KIND, voltage.KIND, pf.KIND,
    balance.KIND, *UNAVAILABLE,
)}

__all__ = ["KINDS"]
