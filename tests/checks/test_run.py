"""Set-ups that a run must refuse in one line, by its checks, or let through."""
import pytest
from setups import classifier, detector

from mmattn.checks.run import check_built, check_run
from mmattn.checks.trial import try_run
from mmattn.engine.runner import build_runner, train


def check(cfg, splits=('train', 'val')):
    """What ``--check`` does."""
    check_run(cfg, splits, training='train' in splits, launcher='none')
    try_run(cfg, splits)


@pytest.mark.parametrize('kind', ['faster', 'mask', 'retina'])
def test_a_right_detector_passes_trains_and_evaluates(tmp_path, kind):
    cfg = detector(tmp_path, kind)
    check(cfg)
    assert not (tmp_path / 'work').exists()
    runner = build_runner(cfg, 'none', ('train', 'val'))
    check_built(runner, ('train', 'val'))
    train(runner)


def test_a_right_classifier_passes_trains_and_evaluates(tmp_path):
    cfg = classifier(tmp_path)
    check(cfg)
    runner = build_runner(cfg, 'none', ('train', 'val'))
    check_built(runner, ('train', 'val'))
    train(runner)
