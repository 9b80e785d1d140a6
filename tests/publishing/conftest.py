"""The published folder by the names that these tests use."""

import pytest


@pytest.fixture
def made(published):
    """The shipped model, published once."""
    return published


@pytest.fixture
def folder(published_copy):
    """A copy of its folder to change."""
    return published_copy
