"""Runners without what takes most of the time of a tiny run: a look at the machine, and a tidy dump of the config."""

import mmengine.runner.runner
import pytest
from mmengine.config import Config
from mmengine.visualization import Visualizer


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    # A hook draws with the visualizer that was built last, of whatever run in this process.
    for kind in (Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
    monkeypatch.setattr(mmengine.runner.runner, 'collect_env', lambda *_, **__: {})
    monkeypatch.setattr(Config, 'pretty_text', property(lambda cfg: f'cfg = {cfg._cfg_dict.to_dict()!r}'))
