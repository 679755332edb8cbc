"""The database: migrations, refusal of a newer form, the audit chain."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import audit, backups, bills
from keyacct.database.copying import tables
from keyacct.database.engine import REVISIONS, Database, create_database, open_database, schema_version
from keyacct.errors import ConfigError, WriteError
from keyacct.workflow.workspace import init_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "office")


def test_the_migrations_make_the_tables_of_the_code(workspace: Workspace) -> None:
    assert {backups.backup.name, bills.billing_freeze.name} <= set(tables.metadata.tables), "tables of every module"
    address = workspace.settings.database.url
    kind = "sqlite" if address is None else "postgresql+pg8000"
    engine = sa.create_engine(f"{kind}://", creator=open_database(workspace)._connect)
    inspector = sa.inspect(engine)
    made = set(inspector.get_table_names()) - {"alembic_version"}
    assert made == set(tables.metadata.tables)
    for name, table in tables.metadata.tables.items():
        columns = {c["name"]: c["nullable"] for c in inspector.get_columns(name)}
        assert columns == {c.name: c.nullable for c in table.columns}, name
        assert set(inspector.get_pk_constraint(name)["constrained_columns"]) == set(table.primary_key.columns.keys())
    engine.dispose()


@pytest.mark.sqlite
def test_the_database_is_set_up_for_safety(workspace: Workspace) -> None:
    with open_database(workspace).read() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.sqlite
def test_an_empty_database_is_brought_up_and_a_newer_one_refused(workspace: Workspace) -> None:
    assert schema_version(open_database(workspace)) == REVISIONS[-1]
    for end in ("", "-wal", "-shm"):
        workspace.database.with_name(f"register.db{end}").unlink(missing_ok=True)
    with sqlite3.connect(workspace.database) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE probe (x)")
    connection.close()
    assert schema_version(open_database(workspace)) == REVISIONS[-1]
    with sqlite3.connect(workspace.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    code = (
        "from keyacct.config import open_workspace\nfrom keyacct.database.engine import open_database\n"
        "from keyacct.errors import ConfigError\nimport sys\n"
        f"try:\n open_database(open_workspace({str(workspace.root)!r}))\n"
        "except ConfigError as error:\n print(error.code, error.message)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == f"config.schema_newer the database has form 9999, this keyacct knows up to {REVISIONS[-1]}\n"


def test_opening_does_not_import_alembic(workspace: Workspace) -> None:
    code = (
        "import sys\nfrom keyacct.config import open_workspace\nfrom keyacct.database.engine import open_database\n"
        f"open_database(open_workspace({str(workspace.root)!r}))\nprint('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_failed_transaction_leaves_nothing(workspace: Workspace) -> None:
    database = open_database(workspace)
    with pytest.raises(RuntimeError), database.write() as connection:
        audit.append(connection, "test", {"n": 1})
        raise RuntimeError
    with database.read() as connection:
        assert audit.verify(connection)[0] == 1, "only the row of init"


def test_the_audit_chain_finds_every_change(workspace: Workspace) -> None:
    database = open_database(workspace)
    for number in range(5):
        with database.write() as connection:
            audit.append(connection, "test", {"n": number, "text": "日"})
    with database.read() as connection:
        assert audit.verify(connection)[:2] == (6, None)
    changes = {
        "edit": "UPDATE audit SET body = replace(body, '\"n\":2', '\"n\":3') WHERE seq = 4",
        "delete": "DELETE FROM audit WHERE seq = 4",
        "reorder": "UPDATE audit SET seq = CASE seq WHEN 4 THEN 5 ELSE 4 END WHERE seq = 40",
        "forge": "UPDATE audit SET hash = upper(hash) WHERE seq = 4",
    }
    found = 0
    for name, statement in changes.items():
        copy = workspace.root / f"{name}.db"
        database.backup_to(copy)
        connection = sqlite3.connect(copy, isolation_level=None)
        for trigger in ("audit_no_update", "audit_no_delete", "audit_in_order"):
            connection.execute(f"DROP TRIGGER {trigger}")
        if name == "reorder":
            connection.execute("UPDATE audit SET seq = 100 WHERE seq = 4")
            connection.execute("UPDATE audit SET seq = 4 WHERE seq = 5")
            connection.execute("UPDATE audit SET seq = 5 WHERE seq = 100")
        else:
            connection.execute(statement)
        connection.close()
        with Database(copy).read() as tampered:
            bad = audit.verify(tampered)[1]
        assert bad in (4, 5), name
        found += 1
    print(f"tampered {len(changes)}, found {found}")


def test_audit_rows_cannot_be_changed_by_accident(workspace: Workspace) -> None:
    for statement in ("DELETE FROM audit", "UPDATE audit SET action = 'x'"):
        with (
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
            open_database(workspace).write() as connection,
        ):
            connection.exec_driver_sql(statement)


def test_canonical_json_is_one_text_for_one_meaning() -> None:
    assert audit.canonical({"b": 1, "a": [1.5, "日"]}) == '{"a":[1.5,"日"],"b":1}'
    assert json.loads(audit.canonical({"x": None})) == {"x": None}


@pytest.mark.sqlite
def test_a_damaged_database_is_named_as_such(tmp_path: Path) -> None:
    workspace = init_workspace(tmp_path / "office")
    workspace.database.write_bytes(b"no database at all" * 500)
    for end in ("-wal", "-shm"):
        workspace.database.with_name(f"register.db{end}").unlink(missing_ok=True)
    with pytest.raises(WriteError) as caught:
        Database(workspace.database).integrity()
    assert caught.value.code == "write.store_damaged"


@pytest.mark.sqlite
def test_a_workspace_without_database_is_a_config_error(tmp_path: Path) -> None:
    workspace = init_workspace(tmp_path / "office")
    workspace.database.unlink()
    with pytest.raises(ConfigError) as caught:
        open_database(workspace)
    assert caught.value.code == "config.workspace_missing"


@pytest.mark.sqlite
def test_a_database_is_not_made_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(WriteError):
        create_database(tmp_path / "missing" / "register.db")
