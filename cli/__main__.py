"""`python -m keyacct.cli`."""

from keyacct.cli.app import main

main()
