"""The one SQLite file of a workspace: `engine` opens it, `tables` names its tables, `audit` is its hash chain."""
