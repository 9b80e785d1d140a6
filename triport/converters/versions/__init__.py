"""What differs between the versions of what triport works with, and which of them it has been tested with.

`tested.py` is the table of versions. Each other file holds one difference, and is all that knows of it.
"""
