"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket file, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

PASSWORD = "p-" + secrets.token_hex(8)
ADVICE = (
    "the tests on PostgreSQL need its server programs (initdb, pg_ctl): on Debian `apt-get install postgresql`, "
    "elsewhere put them on the PATH; without KEYACCT_TEST_DATABASE the tests run on SQLite"
)


class MissingServerError(RuntimeError):
    """The server programs are not installed."""


def programs() -> Path:
    """Folder of initdb and pg_ctl. Raises MissingServerError with advice."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    kept = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if (p / "initdb").exists()]
    if not kept:
        raise MissingServerError(ADVICE)
    return max(kept, key=lambda path: int(path.parent.name.split(".")[0]))


def _as_user(folder: Path) -> list[str]:
    """The server refuses to run as root: then it runs as the user that Debian's package makes, or as nobody."""
    if os.geteuid() != 0:
        return []
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


class Server:
    """A running server; `new_database` gives the address of an empty database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0

    def address(self, name: str, password: str = PASSWORD) -> str:
        return f"postgresql://keyacct:{quote(password)}@/{name}?host={self.folder}"

    def connect(self, name: str = "postgres"):
        import pg8000.dbapi

        connection = pg8000.dbapi.connect(
            "keyacct", unix_sock=f"{self.folder}/.s.PGSQL.5432", ssl_context=False, database=name, password=PASSWORD
        )
        connection.autocommit = True
        return connection

    def new_database(self) -> str:
        self.made += 1
        name = f"office_{os.getpid()}_{self.made}"
        with contextlib.closing(self.connect()) as connection:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        return self.address(name)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Make and start a server, stop and remove it at the end. Raises MissingServerError."""
    bin_dir = programs()
    folder = Path(tempfile.mkdtemp(prefix="ka-pg-"))  # short: a socket's path may have 107 bytes
    try:
        prefix = _as_user(folder)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

        def run(*command: str) -> None:
            done = subprocess.run(
                [*prefix, *command], capture_output=True, text=True, env=environment, cwd=folder, check=False
            )
            if done.returncode:
                raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

        data = folder / "data"
        run(f"{bin_dir}/initdb", "-D", str(data), "-U", "keyacct", "--auth=scram-sha-256", "-E", "UTF8", "--no-sync",
            f"--pwfile={password}")  # fmt: skip
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off",
                    "shared_buffers": "32MB", "max_connections": "100"}  # fmt: skip
        with (data / "postgresql.conf").open("a") as config:
            config.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        log = folder / "log"
        run(f"{bin_dir}/pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(log), "start")
        try:
            yield Server(folder)
        finally:
            run(f"{bin_dir}/pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
