"""What several tests of parity use."""

import pytest

from triport.converters.convert import SHIPPED, parameters_of
from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import identify


@pytest.fixture(scope="session")
def subject():
    """The small trained model that triport ships: its definition, how many classes, its parameters."""
    checkpoint = open_checkpoint(SHIPPED)
    found = identify(checkpoint, None)
    return found.spec, found.num_classes, parameters_of(checkpoint, found)
