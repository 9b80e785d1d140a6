"""What several tests of parity use."""

import pytest

from converters.convert import SHIPPED, parameters_of
from converters.formats import open_checkpoint
from converters.identify import identify


@pytest.fixture(scope="session")
def subject():
    """The small trained model that triport ships: its definition, how many classes, its parameters."""
    checkpoint = open_checkpoint(SHIPPED)
    found = identify(checkpoint, None)
    return found.spec, found.num_classes, parameters_of(checkpoint, found)
