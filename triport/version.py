"""The version of triport, where everything can take it from without importing the API."""

__version__ = "0.1.0"
