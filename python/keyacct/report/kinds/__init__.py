"""Every report kind, by its name on the command line. A new report is one module here and one entry below."""

from keyacct.report.kind import Kind
from keyacct.report.kinds import (
    balance,
    comparison,
    custom,
    customer,
    energy,
    month,
    pf,
    raw,
    register,
    shed_evaluation,
    shed_plan,
    shed_sheet,
    sources,
    summary,
    voltage,
)
from keyacct.report.kinds.catalogue import UNAVAILABLE

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        month,
        customer,
        summary,
        raw,
        register,
        energy,
        comparison,
        custom,
        sources,
        voltage,
        pf,
        balance,
        shed_plan,
        shed_sheet,
        shed_evaluation,
    )
} | {kind.name: kind for kind in UNAVAILABLE}

__all__ = ["KINDS"]
