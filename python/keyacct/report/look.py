"""The office's page style: paper, logo, font, and templates of its own. Every writer takes one."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keyacct.config import Workspace
from keyacct.errors import ConfigError, from_os_error

LARGEST_LOGO_BYTES = 256 * 1024
LARGEST_LOGO_SIDE_PX = 4000
Paper = Literal["A4", "A3"]


@dataclass(frozen=True)
class Logo:
    """A picture in PNG or JPEG, with its size in pixels."""

    content: bytes
    media_type: Literal["image/png", "image/jpeg"]
    width_px: int
    height_px: int

    def data_url(self) -> str:
        """The picture inside an address, so that a page needs no second file."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Look:
    """How reports look. font: a family or a font file, empty for the best one found."""

    paper: Paper = "A4"
    logo: Logo | None = None
    font: str = ""
    templates: Path | None = None
    csv_bom: bool = False

    def template(self, kind: str, name: str) -> Path | None:
        """The office's own template of that name: the one for this kind, else the one for all; None without one."""
        if self.templates is None:
            return None
        candidates = (self.templates / f"{kind}.{name}", self.templates / name)
        return next((file for file in candidates if file.is_file()), None)

    def digest_parts(self) -> list[str]:
        """What a finished file depends on, apart from its document."""
        logo = "" if self.logo is None else hashlib.sha256(self.logo.content).hexdigest()
        return [self.paper, logo, self.font, str(self.csv_bom)]


def read_look(workspace: Workspace, *, csv_bom: bool = False) -> Look:
    """The look that `[report]` of the workspace's settings describes.

    Raises ConfigError for a logo that is no PNG or JPEG, is too large, or lies outside the workspace.
    """
    settings = workspace.settings.report
    templates = inside(workspace, settings.templates, "report.templates") if settings.templates else None
    if templates is not None and not templates.is_dir():
        raise ConfigError(
            "config.invalid",
            "report.templates: there is no such folder",
            hint="make it, or clear the setting",
            where={"file": str(templates)},
        )
    logo = read_logo(inside(workspace, settings.logo, "report.logo")) if settings.logo else None
    return Look(settings.paper, logo, settings.font, templates, csv_bom)


def inside(workspace: Workspace, name: str, key: str) -> Path:
    """A file or folder of the workspace by its relative name. Raises ConfigError when it leads out of it."""
    path = (workspace.root / name).resolve()
    if not path.is_relative_to(workspace.root.resolve()):
        raise ConfigError(
            "config.invalid",
            f"{key}: {name!r} leads out of the workspace",
            hint="copy it into the workspace and name it relative to keyacct.toml",
        )
    return path


def read_logo(file: Path) -> Logo:
    """A logo from its file. Raises ConfigError; InputError when the file cannot be read."""
    try:
        with file.open("rb") as source:
            content = source.read(LARGEST_LOGO_BYTES + 1)
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None
    if len(content) > LARGEST_LOGO_BYTES:
        raise _no_logo(file, f"it has more than {LARGEST_LOGO_BYTES // 1024} KiB")
    size = _png_size(content) or _jpeg_size(content)
    if size is None:
        raise _no_logo(file, "it is no PNG or JPEG picture")
    if not all(0 < side <= LARGEST_LOGO_SIDE_PX for side in size):
        raise _no_logo(file, f"its sides are {size[0]} x {size[1]} pixels, at most {LARGEST_LOGO_SIDE_PX} are taken")
    return Logo(content, "image/png" if content.startswith(b"\x89PNG") else "image/jpeg", *size)


def _no_logo(file: Path, why: str) -> ConfigError:
    return ConfigError(
        "config.invalid",
        f"report.logo: {why}",
        hint=f"give a PNG or JPEG of at most {LARGEST_LOGO_BYTES // 1024} KiB",
        where={"file": str(file)},
    )


def _png_size(content: bytes) -> tuple[int, int] | None:
    """Width and height from the header chunk (PNG specification, IHDR)."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height from the start-of-frame segment (ITU-T T.81, B.2.2)."""
    if content[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
