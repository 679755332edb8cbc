"""Orderly power use: plans over problem folders, their independent check, their reasons.

`folder` reads a problem folder, `planner` plans it, `checks` judges a plan file without knowing how it was made,
`priority` holds the government's priority table to its dates, `reasons` puts the planner's reasons into words.
"""
