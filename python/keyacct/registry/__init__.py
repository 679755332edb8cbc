"""Accounts, metering points, meters, ratios, limits and tariffs, by date.

`entities` says what there is, `importing` and `document` read and write the TOML form, `parameters` answers the
kernel, `resolve` tells which meter a device speaks for, `listing` is for people.
"""
