"""The manifest of a folder of reports: every file that lies there, what it was made from, and what failed.

While a run is going, what is finished is appended to a journal beside it; the manifest itself is written whole at the
end. A run that was killed leaves its journal, and the next one takes it up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from keyacct.errors import from_os_error
from keyacct.report.document import Document
from keyacct.report.files import write_whole

MANIFEST = "manifest.json"
JOURNAL = ".manifest.journal"
FORM = 2


@dataclass(frozen=True)
class Written:
    """A file of the folder. account_no is empty for the index; rows: of the tables in the file.

    content_sha256: of what it says and of what wrote it; state_sha256: of the workspace, the settings and the day when
    that was last found true. generated_at: the present that stands in the file.
    """

    account_no: str
    format: str
    file: str
    rows: int
    bytes: int
    sha256: str
    inputs_sha256: str
    kind: str = ""
    period: str = ""
    lang: str = ""
    generated_at: str = ""
    content_sha256: str = ""
    state_sha256: str = ""


@dataclass(frozen=True)
class Failed:
    """An account that has no report, and why."""

    account_no: str
    code: str
    message: str
    hint: str
    kind: str = ""
    period: str = ""
    lang: str = ""


@dataclass(frozen=True)
class Said:
    """A report's line in the index. figures: (key, shown, plain, why missing, verdict) each."""

    account_no: str
    account_name: str
    kind: str
    period: str
    lang: str
    title: str
    figures: tuple[tuple[str, str, str, str, str], ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells reports apart."""
        return (self.kind, self.period, self.lang, self.account_no)


@dataclass
class Folder:
    """What lies in a folder of reports, by file name and by report."""

    out: Path | None
    files: dict[str, Written] = field(default_factory=dict)
    said: dict[tuple[str, str, str, str], Said] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    _gone: set[str] = field(default_factory=set)
    _journal: IO[str] | None = None
    _groups: dict[tuple[str, ...], list[Written]] = field(default_factory=dict)

    @classmethod
    def read(cls, out: Path | None) -> Folder:
        """The folder as its manifest and a journal left behind describe it; unreadable ones count as none."""
        folder = cls(out)
        if out is not None:
            folder._take_manifest(out / MANIFEST)
            folder._take_journal(out / JOURNAL)
            for entry in folder.files.values():  # lost ones too: their report is then not whole
                folder._groups.setdefault(_group(entry), []).append(entry)
            folder.files = {name: entry for name, entry in folder.files.items() if (out / name).is_file()}
        return folder

    def _take_manifest(self, file: Path) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            document = json.loads(file.read_text(encoding="utf-8"))
            if document.get("form") == FORM:
                self._take(document)
                self.failed = [Failed(**entry) for entry in document["failed"]]

    def _take_journal(self, file: Path) -> None:
        with contextlib.suppress(OSError), file.open(encoding="utf-8") as lines:
            for line in lines:
                with contextlib.suppress(ValueError, TypeError, KeyError):  # the last line may be cut
                    self._take(json.loads(line))

    def _take(self, document: Mapping[str, Any]) -> None:
        known = {item.name for item in fields(Written)}
        for entry in document["files"]:
            if set(entry) <= known and "/" not in entry["file"] and "\\" not in entry["file"]:
                self.files[entry["file"]] = Written(**entry)
        for entry in document["reports"]:
            said = Said(**{**entry, "figures": tuple(tuple(figure) for figure in entry["figures"])})
            self.said[said.key] = said

    def of(self, kind: str, period: str, lang: str, account_no: str, format: str) -> list[Written]:
        """The files of one report in one format."""
        return self._groups.get((kind, period, lang, account_no, format), [])

    def whole(self, entries: Sequence[Written]) -> bool:
        """Whether the files lie there as they were written."""
        return self.out is not None and bool(entries) and all(self._intact(self.out, entry) for entry in entries)

    def holding(self, document: Document, lang: str, format: str, content_sha256: str) -> list[Written]:
        """The files of a document in one format, if they lie there whole and say this; else none."""
        entries = self.of(document.kind, document.period.label, lang, document.account_no, format)
        same = all(entry.content_sha256 == content_sha256 for entry in entries)
        return entries if same and self.whole(entries) else []

    @staticmethod
    def _intact(out: Path, entry: Written) -> bool:
        try:
            content = (out / entry.file).read_bytes()
        except OSError:
            return False
        return len(content) == entry.bytes and hashlib.sha256(content).hexdigest() == entry.sha256

    def add(self, said: Said | None, entries: Sequence[Written]) -> None:
        """Take up what was finished, and say so in the journal; files of the same report that are no more go."""
        for group in {_group(entry) for entry in entries}:
            names = {entry.file for entry in entries}
            for old in self._groups.get(group, []):
                if old.file not in names:
                    self._remove(old)
            self._groups[group] = [entry for entry in entries if _group(entry) == group]
        self.files.update({entry.file: entry for entry in entries})
        if said is not None:
            self.said[said.key] = said
        if self.out is not None:
            self._note(self.out / JOURNAL, said, entries)

    def _note(self, file: Path, said: Said | None, entries: Iterable[Written]) -> None:
        line = {"files": [asdict(entry) for entry in entries], "reports": [asdict(said)] if said is not None else []}
        try:
            if self._journal is None:
                self._journal = file.open("a", encoding="utf-8")
            self._journal.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._journal.flush()
        except OSError as error:
            raise from_os_error(error, writing=True, file=str(file)) from None

    def drop(self, kind: str, period: str, lang: str, keep: Collection[str]) -> None:
        """Take away the files of a kind that are about none of the accounts to keep any more."""
        for entry in list(self.files.values()):
            if (entry.kind, entry.period, entry.lang) == (kind, period, lang) and entry.account_no not in keep:
                self._remove(entry)

    def _remove(self, entry: Written) -> None:
        self.files.pop(entry.file, None)
        self._gone.add(entry.file)
        if self.out is not None and self._intact(self.out, entry):
            with contextlib.suppress(OSError):
                (self.out / entry.file).unlink()

    def note_failures(
        self, kind: str, period: str, lang: str, accounts: Iterable[str], failed: Iterable[Failed]
    ) -> None:
        """The failures of one run in place of those that the same accounts had before."""
        asked = set(accounts)
        kept = [
            old
            for old in self.failed
            if (old.kind, old.period, old.lang) != (kind, period, lang) or old.account_no not in asked
        ]
        self.failed = [*kept, *failed]

    def close(self) -> None:
        """Leave the journal as it is."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def write(self, run: Mapping[str, object]) -> None:
        """Write the manifest, with what is to be said of the run, and take the journal away; nothing in a dry run.

        Raises WriteError.
        """
        self.close()
        if self.out is None:
            return
        # What another run has finished here meanwhile stays on record.
        other = Folder.read(self.out)
        self.files = {name: e for name, e in other.files.items() if name not in self._gone} | self.files
        present = {_group(entry)[:4] for entry in self.files.values()}
        self.said = {key: line for key, line in (other.said | self.said).items() if key in present}
        document = {
            "form": FORM,
            **run,
            "files": [asdict(self.files[name]) for name in sorted(self.files)],
            "reports": [asdict(self.said[key]) for key in sorted(self.said)],
            "failed": [asdict(entry) for entry in self.failed],
        }
        write_whole(self.out / MANIFEST, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())
        with contextlib.suppress(OSError):
            (self.out / JOURNAL).unlink()


def _group(entry: Written) -> tuple[str, ...]:
    return (entry.kind, entry.period, entry.lang, entry.account_no, entry.format)
