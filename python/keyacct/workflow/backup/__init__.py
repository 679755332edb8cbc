"""Backups: `take` makes one, `manifest` says what is in it, `content` reads it, `check` verifies it, `restore` brings it
back, `schedule` knows when one is due and how many are kept.
"""
