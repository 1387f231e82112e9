"""`python -m pipeline` is the `mcu-pipeline` command."""

from pipeline.cli import main

main()
