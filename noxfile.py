"""Build, test and show keyacct: `python3 noxfile.py` or, where nox is installed, `nox`.

The file starts itself: without nox it makes `.nox/bootstrap`, installs nox there and runs again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOX = "nox>=2025.5.1,<2027"

try:
    import nox
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    if sys.version_info < (3, 11):
        sys.exit("keyacct needs Python 3.11 or later; this is " + sys.version.split()[0])
    folder = HERE / ".nox" / "bootstrap"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (
        python.exists()
        and subprocess.run([python, "-c", "import nox"], check=False, capture_output=True).returncode == 0
    ):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", NOX], check=True)
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]], check=False).returncode)

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["rust", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """The packages of a dependency group (pip older than 25.1 does not know groups)."""
    return list(nox.project.dependency_groups(PROJECT, name))


def cargo(session: nox.Session, *arguments: str, **options: object) -> None:
    if shutil.which("cargo") is None:
        session.error("cargo is not on the PATH: install Rust 1.88 or later from rustup or your system's packages")
    session.run("cargo", *arguments, external=True, **options)


def editable(session: nox.Session, *groups: str) -> None:
    """Install the package as editable with an optimised core; cargo's work is reused between sessions."""
    session.install("maturin>=1.12,<2", *(package for name in groups for package in group(name)))
    session.install("--no-build-isolation", "-e", ".")


@nox.session
def rust(session: nox.Session) -> None:
    """Tests of the Rust crates; needs no Python package."""
    cargo(session, "test", "--workspace", "--locked")


@nox.session
def tests(session: nox.Session) -> None:
    """The Python tests, through the public doors: library, command line, documents, layout."""
    editable(session, "test")
    session.run("pytest", *session.posargs)


@nox.session
def explore(session: nox.Session) -> None:
    """The tests on random values with a new seed at each run; what it finds becomes an `@example` of the test."""
    editable(session, "test")
    session.run("pytest", "-m", "hypothesis", *session.posargs, env={"KEYACCT_TEST_PROFILE": "explore"})


@nox.session
def postgresql(session: nox.Session) -> None:
    """The promises of database, registry and store on a PostgreSQL server that the tests start themselves."""
    editable(session, "test")
    session.run(
        "pytest", "tests/database", "tests/registry", "tests/store", *session.posargs,
        env={"KEYACCT_TEST_DATABASE": "postgresql"},
    )  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Format and lint, Python and Rust; a warning is an error."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    cargo(session, "fmt", "--all", "--check")
    cargo(session, "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings")


@nox.session
def typecheck(session: nox.Session) -> None:
    """mypy --strict over the package, and the stub of the extension against the built module."""
    editable(session, "typecheck", "test")
    session.run("mypy", "-p", "keyacct")
    session.run("python", "-m", "mypy.stubtest", "keyacct._core", "--mypy-config-file", "pyproject.toml")


@nox.session
def demo(session: nox.Session) -> None:
    """Install the wheel in an environment of its own and run the main job; names every file it wrote."""
    session.install("--force-reinstall", "--no-deps", ".")
    session.install(*PROJECT["project"]["dependencies"])
    target = session.posargs[0] if session.posargs else str(Path(session.invoked_from) / "keyacct-demo")
    bin_dir = Path(session.bin)
    with session.chdir(session.create_tmp()):  # outside the tree, so that only the installed package can answer
        session.run(str(bin_dir / "keyacct"), "demo", target)


@nox.session
def docs(session: nox.Session) -> None:
    """Generate the reference pages from the program; with `-- --check`, fail when one is out of date."""
    editable(session)
    session.run("python", "docs/generate.py", *session.posargs)


@nox.session
def dist(session: nox.Session) -> None:
    """Wheel and sdist, each installed in an empty environment and run from outside the tree."""
    session.install("maturin>=1.12,<2", "build")
    out = HERE / "dist"
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(out))
    for package in sorted(out.iterdir()):
        environment = Path(session.create_tmp()).resolve() / package.suffix.strip(".")
        venv.create(environment, with_pip=True, clear=True)
        python = str(environment / "bin" / "python")
        session.run(python, "-m", "pip", "install", "--quiet", str(package), external=True)
        with session.chdir(session.create_tmp()):
            session.run(str(environment / "bin" / "keyacct"), "--version", external=True)
            session.run(str(environment / "bin" / "keyacct"), "demo", str(environment / "demo"), external=True)


@nox.session
def faults(session: nox.Session) -> None:
    """The store's promises under injected faults, at full length (hundreds of kills)."""
    editable(session, "test")
    figures = Path(session.create_tmp()).resolve() / "figures.jsonl"
    figures.unlink(missing_ok=True)
    session.run(
        "pytest", "-s", "tests/store", *session.posargs,
        env={"KEYACCT_FAULTS": "full", "KEYACCT_FAULT_FIGURES": str(figures)},
    )  # fmt: skip
    session.run("python", "tests/store/fault_figures.py", str(figures))


@nox.session
def abuse(session: nox.Session) -> None:
    """The master station under abuse at full size (1,000 slow peers and more), each case with its figure."""
    editable(session, "test")
    session.run("pytest", "-s", "tests/master", *session.posargs, env={"KEYACCT_FAULTS": "full"})


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Fuzz every parser and print the figures. `-- --cpu-seconds N` sets the CPU time of each target (default 300)."""
    session.run(sys.executable, str(HERE / "core-rs/fuzz/run.py"), *session.posargs, external=True)


@nox.session
def looks(session: nox.Session) -> None:
    """Open every report with LibreOffice, poppler and Chromium; says which program is missing and what to install."""
    editable(session, "test")
    session.run("python", "tests/looks/run.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed against peers in the same run; refuses an unoptimised core."""
    editable(session, "test")
    session.install("duckdb", "polars", "numpy", "numba", "dlt645")
    session.run("python", "tests/bench/run.py", *session.posargs)
    session.run("python", "tests/bench/segments.py")
    session.run("python", "tests/bench/store_scale.py", "--check")
    session.run("python", "tests/bench/poll.py")
    session.run("python", "tests/bench/park.py")
    session.run("python", "tests/bench/soak.py")


if __name__ == "__main__":
    nox.main()
