"""The published folder by the names that these tests use."""

import shutil

import pytest


@pytest.fixture
def made(published):
    """The shipped model, published once."""
    return published


@pytest.fixture
def folder(published_copy):
    """A copy of its folder to change."""
    return published_copy


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """Two networks of one's own with the map of their names, published once."""
    from tests.publishing.own_networks import publish_pair

    return publish_pair(tmp_path_factory.mktemp("own"))


@pytest.fixture
def own_folder(own, tmp_path):
    """A copy of its folder to change."""
    return shutil.copytree(own.folder, tmp_path / "pair")
