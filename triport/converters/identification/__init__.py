"""Which model a file is of, whose names it has, and how many classes."""
