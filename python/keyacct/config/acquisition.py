"""`[poll]`, `[listen]`, `[care]`, `[control]`: talking to devices."""

from __future__ import annotations

from pydantic import Field

from keyacct.config.section import Section


class PollSettings(Section):
    """`[poll]`: asking meters."""

    password_file: str = Field(
        "", description="passwords of devices whose meter_link and poll_line name none: a file of mode 0600 (from the"
        " workspace on), or env:NAME; empty: none [D]",
    )  # fmt: skip
    retries: int = Field(2, ge=0, le=20, description="further attempts of a round for what failed [D]")
    lines_at_once: int = Field(512, ge=1, le=4096, description="lines that are served at the same time [D]")
    tries_per_due: int = Field(
        3, ge=1, le=20, description="rounds of `poll --due` that ask again for what one due time still lacks [D]"
    )
    commit_items: int = Field(2000, ge=1, le=100_000, description="finished items that are stored together [D]")
    commit_s: int = Field(15, ge=1, le=600, description="and the longest wait before they are stored, seconds [D]")
    daily_freezes: int = Field(62, ge=1, le=62, description="day freezes that a meter keeps, DL/T 645-2007 A.6 [V]")
    load_record_days: int = Field(
        40, ge=1, le=400, description="days of load records that a meter keeps, depends on its memory [U]"
    )


class ListenSettings(Section):
    """`[listen]`: what one terminal, and all of them, may take of the master station."""

    connections: int = Field(
        2000, ge=1, le=1_000_000, description="connections at once, and 1.5 × the terminals where that is more [D]"
    )
    new_per_address: int = Field(
        20, ge=1, le=1_000_000, description="connections of one network address that have not logged in [D]"
    )
    known_share: float = Field(
        0.10, ge=0, lt=1, description="share of the connections kept for addresses that a known terminal came from [D]"
    )
    login_s: float = Field(10.0, gt=0, le=3600, description="seconds from the connection to the log-in [D]")
    frame_s: float = Field(5.0, gt=0, le=600, description="seconds from the first byte of a frame to its last [D]")
    heartbeat_s: float = Field(
        300.0, gt=0, le=86_400, description="heartbeat the terminals are set to; silent for three, closed [D]"
    )
    junk_bytes: int = Field(
        65_536, ge=256, le=16_777_216, description="bytes without any frame after which a peer is dropped [D]"
    )
    frames_per_s: int = Field(50, ge=1, le=100_000, description="frames of one terminal a second [D]")
    unsent_bytes: int = Field(
        65_536, ge=1024, le=16_777_216, description="bytes that wait for a peer that does not read [D]"
    )
    answer_s: float = Field(
        10.0, gt=0, le=600, description="seconds for an answer, response wait of 1376.1 over GPRS [U]"
    )
    tries: int = Field(3, ge=1, le=20, description="times that a question is asked, 1376.1 over GPRS [U]")
    challenge_s: float = Field(
        5.0, gt=0, le=600, description="seconds in which an older session must prove itself at a second log-in [D]"
    )
    takeovers: int = Field(
        3, ge=2, le=100, description="so many take-overs of one terminal within `quarantine_s` are an alarm [D]"
    )
    quarantine_s: float = Field(600.0, gt=0, le=86_400, description="seconds of quarantine after that [D]")


class CareSettings(Section):
    """`[care]`: the clocks of devices."""

    clock_right_s: float = Field(
        60.0, gt=0, le=3600, description="a clock off by so little is right, 国网(营销/4)384-2014 [V]"
    )
    clock_limit_s: float = Field(
        300.0, gt=0, le=86_400, description="off by more although it was set is a fault, ERC12 practice [D]"
    )
    terminal_sync_most_s: float = Field(
        900.0, gt=0, le=86_400, description="a terminal's clock is set from afar up to here, 国网(营销/4)384-2014 [V]"
    )
    fault_syncs: int = Field(
        2, ge=1, le=31, description="still beyond the limit after so many settings is a fault, 384-2014 [V]"
    )
    fault_days: int = Field(31, ge=1, le=366, description="within so many days (a month), 384-2014 [V]")
    hour_guard_min: int = Field(
        5, ge=0, le=29, description="no clock is set so near a full hour, where hourly freezes lie [D]"
    )
    midnight_guard_min: int = Field(
        30, ge=0, le=240, description="nor so near midnight, where day freeze and settlement lie [U]"
    )
    sync_clock: bool = Field(
        False, description="whether clocks of meters may be set (`keyacct care sync --execute`) [D]"
    )
    freeze: bool = Field(
        False, description="whether meters may be told to freeze (`keyacct care freeze --execute`) [D]"
    )
    broadcast_most_s: float = Field(
        300.0,
        gt=0,
        le=900,
        description="a meter takes a time broadcast (08H) only within this, DL/T 645-2007 7.1.6 [U]",
    )
    round_trip_most_s: float = Field(
        20.0, gt=0, le=600, description="no verdict on a clock whose answer took longer [D]"
    )
    alike_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="if more than this share of the clocks of a round is wrong alike, our own is in doubt [D]",
    )


class ControlSettings(Section):
    """`[control]`: commands to breakers (docs/control.md). This version sends none to a device, whatever stands here."""

    enabled: bool = Field(
        False, description="control may be sent; counts only while this file is not writable for who sends [D]"
    )
    inhibit_file: str = Field(
        "CONTROL-INHIBIT",
        min_length=1,
        description="a file that stops all sending while it is there (in the workspace)",
    )
    terminals: tuple[str, ...] = Field(
        (), description="allow-list: numbers of terminals and meters that control may be sent to", strict=False
    )
    approver_roles: tuple[str, ...] = Field(
        ("control_approver",), description="roles of staff that may approve [D]", strict=False
    )
    shared_accounts: tuple[str, ...] = Field(
        ("root", "admin", "administrator", "operator", "keyacct"),
        description="names that are nobody's own and approve nothing [D]",
        strict=False,
    )
    allowed_delay_min: int = Field(
        5, ge=1, le=60, description="minutes after which a device must drop a command that came late [D]"
    )
    valid_min: int = Field(
        10, ge=1, le=60, description="how long a single command may be given, minutes, S0 §3.2.1.1d [S]"
    )
    approval_min: int = Field(10, ge=1, le=60, description="an approval of a single command ends after minutes [D]")
    telemetry_min: int = Field(15, ge=1, le=60, description="telemetry may be so old, minutes, before a trip [D]")
    clock_s: int = Field(
        120, ge=1, le=3600, description="a device's clock may be so wrong, seconds, before a command [D]"
    )
    trips_in_10_min: int = Field(5, ge=1, le=100, description="trips in 10 minutes outside a plan [D]")
