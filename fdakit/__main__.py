"""`python -m fdakit`."""

from fdakit.cli.main import main

main()
