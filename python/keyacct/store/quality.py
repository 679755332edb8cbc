"""Quality bits of a row, and the one rank that decides between two values of a key.

Several bits may be set. No bit at all is a measured value with nothing against it. The lower bits are those of a
reading (`keyacct_model::Quality`), the upper ones belong to the store.
"""

from __future__ import annotations

NO_DATA = 1
"""The device said that it has no value (all F or all E); the value is null."""
INVALID_DIGIT = 2
"""The digits were not decimal; the value is null and the text is kept."""
CLOCK_SUSPECT = 4
"""The device's clock was wrong, or said so."""
SUBSTITUTED = 8
"""The device put a substitute in place of a measurement."""
OUT_OF_RANGE = 16
"""The value is outside what the quantity can be."""
TIME_ASSUMED = 32
"""The time was given by `--assume-time`."""
TIME_OF_RECEIPT = 64
"""The time is that of receipt: the frame carried none."""
YEAR_ASSUMED = 128
"""The year was not sent and has been completed."""

SUSPECT = 512
"""Somebody or some check doubts the value."""
ESTIMATED = 1024
"""Interpolated or estimated, not measured."""
EDITED = 2048
"""Put right by a person, with a reason in the audit chain."""
ROUNDED = 4096
"""More decimals were given than the family keeps."""
RETRACTED = 8192
"""The value is withdrawn: where such a row wins, the column is null."""

NAMES: dict[int, str] = {
    NO_DATA: "no_data",
    INVALID_DIGIT: "invalid_digit",
    CLOCK_SUSPECT: "clock_suspect",
    SUBSTITUTED: "substituted",
    OUT_OF_RANGE: "out_of_range",
    TIME_ASSUMED: "time_assumed",
    TIME_OF_RECEIPT: "time_of_receipt",
    YEAR_ASSUMED: "year_assumed",
    SUSPECT: "suspect",
    ESTIMATED: "estimated",
    EDITED: "edited",
    ROUNDED: "rounded",
    RETRACTED: "retracted",
}

_DOUBTFUL = SUSPECT | CLOCK_SUSPECT | OUT_OF_RANGE | TIME_ASSUMED


def rank(quality: int) -> int:
    """Rank of a row: edited 5 > measured 4 > device-substituted 3 > suspect 2 > estimated 1."""
    if quality & (EDITED | RETRACTED):
        return 5
    if quality & ESTIMATED:
        return 1
    if quality & _DOUBTFUL:
        return 2
    return 3 if quality & SUBSTITUTED else 4


def rank_sql(column: str) -> str:
    """The same rank as an SQL expression over an integer column."""
    return (
        f"CASE WHEN {column} & {EDITED | RETRACTED} <> 0 THEN 5 WHEN {column} & {ESTIMATED} <> 0 THEN 1 "
        f"WHEN {column} & {_DOUBTFUL} <> 0 THEN 2 WHEN {column} & {SUBSTITUTED} <> 0 THEN 3 ELSE 4 END"
    )


def names(quality: int) -> list[str]:
    """The names of the bits that are set."""
    return [name for bit, name in NAMES.items() if quality & bit]
