"""The sample store: immutable Parquet segments and their index in `register.db`.

`families` and `quality` say what a row is, `ingest` writes, `read` reads, `compact` joins segments, `verify` checks
and cleans. It knows meters and families, no accounts.
"""
