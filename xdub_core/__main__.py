"""`python -m xdub_core`."""

from xdub_core.cli import main

main()
