"""Publishing: a folder that a maintainer can upload and a stranger can verify.

`publish.py` makes it, `verify.py` checks it; the other files are one part of the folder each.
"""
