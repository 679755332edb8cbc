"""A workspace whose meters are simulated ones, with a clock that a test moves."""

import shutil
import sys
from pathlib import Path

import pytest

from keyacct import clock
from keyacct.workflow.workspace import init_workspace

sys.path.insert(0, str(Path(__file__).parent))  # care_office.py
from care_office import NOON, LineAtWork, Office


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    """The clock stands where a test puts it, yet counts as the true one unless the test says otherwise."""
    monkeypatch.setattr(clock, "is_fixed", lambda: False)
    clock.fix(NOON)
    yield
    clock.fix(None)


@pytest.fixture(scope="session")
def _empty_office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("care") / "office"
    init_workspace(folder)
    return folder


@pytest.fixture
def office(tmp_path, _empty_office, capsys):
    """make(lines of meters): meters are M1, M2, … by address, in the lines' order."""
    made = []

    def make(*lines):
        folder = tmp_path / "office"
        shutil.copytree(_empty_office, folder)
        text = []
        for number, meters in enumerate(lines, 1):
            made.append(LineAtWork(list(meters)))
            text.append(
                f'[[poll_line]]\npoll_line = "L{number}"\nlink = "socket://127.0.0.1:{made[-1].port}"\ntimeout_s = 0.5\n'
            )
            for each in meters:
                name = f"M{int(each.address)}"
                text.append(
                    f'[[meter]]\nmeter_no = "{name}"\nprotocol = "{each.protocol}"\naddress = "{each.address}"\n'
                    f'[[meter_link]]\nmeter_no = "{name}"\npoll_line = "L{number}"\n'
                )
        whole = Office(folder, made)
        whole.registry("\n".join(text))
        whole.care(sync_clock=True, freeze=True)
        capsys.readouterr()
        return whole

    yield make
    for line in made:
        line.close()


@pytest.fixture
def move():
    """Puts the clock to an instant; the simulated meters go with it."""
    return clock.fix
