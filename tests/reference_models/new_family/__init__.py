"""A family that no publisher has: what CONTRIBUTING.md asks of a new one, and no file more."""
