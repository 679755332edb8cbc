"""`keyacct decode`."""

from keyacct.cli.session import command, make_app

app = make_app()


@command(app)
def decode(hex: list[str]) -> int | None:
    """Decode."""
    print(hex)
    return 3
