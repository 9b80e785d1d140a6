"""A parity check for a person, a program, a browser and a test runner."""
