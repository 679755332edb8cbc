"""What goes wrong while a kernel reads samples comes out as what it is."""

import os
import signal
import sys

import pyarrow as pa
import pytest

from keyacct.analysis.load import load
from keyacct.analysis.power_factor import power_factor
from keyacct.analysis.voltage import voltage_compliance
from keyacct.errors import WriteError
from keyacct.model import Period

JUNE = Period.parse("2026-06")
ANALYSES = {"load": load, "power_factor": power_factor, "voltage": voltage_compliance}


@pytest.fixture
def broken(office, monkeypatch):
    """Samples that end in a fault after their first batch."""
    office.point()
    for n in range(20):
        at = f"2026-06-{n + 1:02}T00:15"
        office.sample("power", at, p=1, q=1)
        office.sample("energy", at, **{"import": 1})
        office.sample("voltage", at, a=220)

    def break_with(fault):
        def read(*arguments, **options):
            whole = office.read_family(*arguments, **options)

            def batches():
                for batch in whole:  # of a day without samples there is none
                    yield batch
                    fault()

            return pa.RecordBatchReader.from_batches(whole.schema, batches())

        monkeypatch.setattr(sys.modules["keyacct.store.read"], "read_family", read)
        return office.workspace

    return break_with


@pytest.mark.parametrize("name", ANALYSES)
def test_ctrl_c_stops_an_analysis(broken, name):
    workspace = broken(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        ANALYSES[name](workspace, JUNE)


@pytest.mark.parametrize("name", ANALYSES)
def test_a_damaged_store_is_told_as_such(broken, name):
    def damaged():
        raise WriteError("write.store_damaged", "a file is damaged", where={"file": "samples/x.parquet"})

    with pytest.raises(WriteError, match="a file is damaged"):
        ANALYSES[name](broken(damaged), JUNE)
