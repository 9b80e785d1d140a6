"""python -m triport COMMAND: the command line, as `triport COMMAND` runs it."""

from triport.cli import run

run()
