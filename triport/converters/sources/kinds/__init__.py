"""One file for each kind of SOURCE that lies elsewhere."""
