"""Which state of the registry a day of voltages has, when the day is short."""

from keyacct.analysis.voltage import voltage_compliance
from keyacct.model import Period


def test_a_short_day_has_the_state_of_its_own_last_moment(make_office):
    """Berlin, 29 March 2026 has 23 hours; from the midnight behind it the point is of another class."""
    office = make_office(workspace={"timezone": "Europe/Berlin"})
    office.point(start="2026-03-01", end="2026-03-30", monitoring_class="D")
    office.point(start="2026-03-30", end="2026-04-30", monitoring_class="A")
    for day in ("2026-03-29", "2026-03-30"):
        for hour in (10, 11):
            for minute in (0, 15, 30, 45):
                office.sample("voltage", f"{day}T{hour}:{minute:02}", a=220)
    days = voltage_compliance(office.workspace, Period.parse("2026-03-29..2026-03-30")).day.to_pylist()
    found = {(str(row["day"]), row["monitoring_class"]) for row in days}
    assert found == {("2026-03-29", "D"), ("2026-03-30", "A")}
