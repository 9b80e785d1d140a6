"""Functions that generated source may hold."""
