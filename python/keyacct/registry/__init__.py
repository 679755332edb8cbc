"""Accounts, metering points, meters, ratios, limits and tariffs, by date.

`entities` says what there is, `importing` and `document` read and write the TOML form, `parameters` answers the
kernel, `listing` is for people.
"""
