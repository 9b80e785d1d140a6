"""The command line, one file per command, named as it; `cli.py` finds them."""
