"""What `parity` is asked to check: models, files and networks of the user's own, with their weights."""
