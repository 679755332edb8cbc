"""`keyacct decode`."""

from keyacct.cli.session import make_app, command

app = make_app()


@command(app)
def decode(hex: list[str]) -> int | None:
    """Decode."""
    print(hex)
    return 3
