"""Fuzzing of the readers of converters/formats."""
