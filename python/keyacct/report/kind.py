"""What a report kind is: its name, what the command line says about it, and how it builds documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Column, Document, TableSpec

Build = Callable[[Workspace, Period, Sequence[str], dt.datetime], list[Document]]
"""(workspace, period, account numbers, generated_at) → one document an account, in their order; of a kind of the scope
`office` one document (or a few of different names) over all of them, whose `account_no` is empty.

Raises KeyacctError when an account cannot be reported; the caller then asks again for fewer at a time.
"""


@dataclass(frozen=True)
class Kind:
    """A report kind. needs: what is missing until it can be built; None when it can.

    number: its number in the list of reports that the office's rules ask for, empty for others. scope: whether a document
    is about one account or about all that were asked for; such a kind is built once, with every account. named: for
    `KIND:NAME`, the kind of one saved definition. made_by: the command that makes it, for a kind that is about no period.
    """

    name: str
    title: Text
    number: str = ""
    needs: Text | None = None
    build: Build | None = None
    figures: tuple[Column, ...] = ()
    tables: tuple[TableSpec, ...] = ()
    scope: Literal["account", "office"] = "account"
    named: Callable[[str], Kind] | None = None
    made_by: str = ""
