"""Bytes of the line: captures and their replay."""
