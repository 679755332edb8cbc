"""Which font a PDF is set in: the configured one, else the one of the `fonts` extra, else the best of the system.

A font of the extra comes first because it is the same file on every machine, so the same report has the same bytes.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyacct.errors import ConfigError
from keyacct.report.glyphs import lacking

PACKAGE = "pylopdf_fonts_zh_cn"
PACKAGE_FAMILY = "Noto Sans SC"
CHINESE = (
    "Noto Sans SC", "Noto Sans CJK SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Heiti SC", "HarmonyOS Sans SC", "MiSans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Droid Sans Fallback",
    "Noto Serif CJK SC", "Noto Serif SC", "Source Han Serif SC", "SimSun", "STSong", "AR PL UMing CN",
)  # fmt: skip
"""Families with simplified Chinese, best first: sans-serif ones read better in tables."""

LATIN = ("Noto Sans", "Source Sans 3", "Segoe UI", "Helvetica Neue", "DejaVu Sans", "Libertinus Serif")
"""Families for a report without any Chinese character; the last one comes with the typesetter."""

PROBE = "电压合格率供电客户"
"""Characters that a font for these reports must have."""

FONT_FILES = (".otf", ".ttf", ".ttc", ".otc")
HINT = (
    "install one (Debian: apt install fonts-noto-cjk or fonts-wqy-microhei; anywhere: pip install 'keyacct[fonts]'), "
    "or name a family or a file inside the workspace as report.font in keyacct.toml"
)


@dataclass(frozen=True)
class Font:
    """A font family that the typesetter can use. file: where it lies; chinese: whether it is known to hold Chinese."""

    family: str
    file: Path | None
    origin: str
    chinese: bool

    def digest(self) -> str:
        """SHA-256 of the font's file; the family's name for the typesetter's own fonts."""
        if self.file is None:
            return self.family
        return _digest(self.file, self.file.stat().st_mtime_ns)


@functools.cache
def _digest(file: Path, changed: int) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def needs_chinese(text: str) -> bool:
    """Whether a text holds a Chinese character or sign."""
    return not text.isascii() and any(unicodedata.east_asian_width(char) in "WF" for char in text)


@functools.cache
def find_font(wanted: str = "", root: Path | None = None) -> Font:
    """The font to use; one without Chinese where the machine has none with it (`Font.chinese` says so).

    wanted: a family, or a font file (relative to root). Raises ConfigError when it is not there.
    """
    if wanted:
        return _configured(wanted, root)
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        files = sorted(Path(spec.origin).parent.glob("NotoSansSC-Regular.*"))
        if files:
            return Font(PACKAGE_FAMILY, files[0], f"package {PACKAGE}", chinese=True)
    known = _system()
    for family in CHINESE:
        if family in known:
            return Font(family, known[family], "system", chinese=True)
    for family in LATIN:
        if family in known:
            file = known[family]
            return Font(family, file, "system" if file is not None else "typesetter", chinese=False)
    return Font(LATIN[-1], None, "typesetter", chinese=False)


def require_font(font: Font, text: str) -> None:
    """Raise ConfigError when the text has Chinese characters and the font has none."""
    if not font.chinese and needs_chinese(text):
        raise ConfigError(
            "config.report_unavailable",
            f"a PDF with Chinese text cannot be set: no font with Chinese characters was found (best: {font.family})",
            hint=HINT,
        )


def fonts_in(folder: Path, font: Font) -> Any:
    """The typesetter's own fonts and the one font file, nothing else of the machine.

    folder: an empty one, where the file is linked, since the typesetter only takes whole folders. It may go when the font
    was used once.
    """
    import typst

    if font.file is not None:
        linked = folder / font.file.name
        try:
            linked.symlink_to(font.file.resolve())
        except OSError:
            shutil.copyfile(font.file, linked)
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(folder)])


def _configured(wanted: str, root: Path | None) -> Font:
    if wanted.lower().endswith(FONT_FILES):
        file = ((root or Path()) / wanted).resolve()
        if root is not None and not file.is_relative_to(root.resolve()):
            raise _missing(wanted, "the file lies outside the workspace")
        if not file.is_file():
            raise _missing(wanted, "there is no such file")
        with tempfile.TemporaryDirectory() as folder:
            found = fonts_in(Path(folder), Font("", file, "configured", chinese=True))
            families = [info.family for info in found.fonts() if info.path]
        if not families:
            raise _missing(wanted, "the file is no font that can be read")
        return Font(families[0], file, "configured", chinese=not lacking(file, PROBE))
    known = _system()
    if wanted not in known:
        raise _missing(wanted, "no font of this name is installed")
    chosen = known[wanted]
    return Font(wanted, chosen, "configured", chinese=chosen is not None and not lacking(chosen, PROBE))


def _missing(wanted: str, why: str) -> ConfigError:
    return ConfigError("config.invalid", f"report.font {wanted!r}: {why}", hint=HINT)


@functools.cache
def _system() -> dict[str, Path | None]:
    """Family → file of its regular face (None for the typesetter's own fonts)."""
    import typst

    faces: dict[str, list[tuple[int, str]]] = {}
    for info in typst.Fonts(include_system_fonts=True, include_embedded_fonts=True).fonts():
        if info.style == "normal":
            faces.setdefault(info.family, []).append((abs(info.weight - 400), info.path or ""))
    best = {family: min(found)[1] for family, found in faces.items()}
    return {family: Path(file) if file else None for family, file in best.items()}
