"""What a report kind is: its name, what the command line says about it, and how it builds documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Column, Document, TableSpec

Build = Callable[[Workspace, Period, Sequence[str], dt.datetime], list[Document]]
"""(workspace, period, account numbers, generated_at) → one document an account, in their order.

Raises KeyacctError when an account cannot be reported; the caller then asks again for fewer at a time.
"""


@dataclass(frozen=True)
class Kind:
    """A report kind. needs: what is missing until it can be built; None when it can.

    number: its number in the list of reports that the office's rules ask for, empty for others.
    """

    name: str
    title: Text
    number: str = ""
    needs: Text | None = None
    build: Build | None = None
    figures: tuple[Column, ...] = ()
    tables: tuple[TableSpec, ...] = ()
