"""Orderly power use: plans over problem folders, their independent check, their reasons; drafts from the workspace.

`folder` reads a problem folder, `planner` plans it, `checks` judges a plan file without knowing how it was made,
`priority` holds the priority table of a folder to its dates, `reasons` puts the planner's reasons into words.

For drafts: `rule_sets` levels and rules, `priority_file` and `priority_tables` the government's table and its approval,
`accounts` what the registry says, `like_days`, `baseline` and `forecast_file` the expected loads, `demand` what dispatch
asks for, `draft_problem` the folder made of them, `draft_files` what is written beside it, `drafts` what is recorded,
`kept_orders` what planning again takes from a recorded draft, `digests` the hashes of all that.
"""
