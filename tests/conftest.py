"""Puts this folder on the path of imports, for the tables that several tests read."""
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
