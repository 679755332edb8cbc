"""A TOML file that somebody wrote."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keyacct.errors import KeyacctError, from_os_error


def read_toml(file: Path, wrong: Callable[[str], KeyacctError]) -> dict[str, Any]:
    """The document of a file. wrong: the error for one that is no TOML, made of what the parser says.

    Raises that error, or the one of `from_os_error` for a file that cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise wrong(str(error)) from None
