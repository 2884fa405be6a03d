"""Runners without what takes most of the time of a tiny run: a look at the machine, and a tidy dump of the config."""
import mmengine.runner.runner
import pytest
from mmengine.config import Config


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(mmengine.runner.runner, 'collect_env', lambda *_, **__: {})
    monkeypatch.setattr(Config, 'pretty_text', property(lambda cfg: f'cfg = {cfg._cfg_dict.to_dict()!r}'))
