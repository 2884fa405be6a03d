"""Shared by the tests of the networks."""
import pytest
from mmengine.logging import MMLogger


@pytest.fixture
def quiet_init():
    """init_weights logs several lines a parameter."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    yield
    logger.setLevel(level)
