"""The library of a config: stated, or that of its types where the config is pure Python."""

import pytest
from mmengine.config import Config

from mmattn.engine.scope import scope_of


@pytest.mark.parametrize(
    'content, scope',
    [
        (dict(default_scope='mmdet'), 'mmdet'),
        (dict(), 'mmengine'),
        (dict(default_scope=None), 'mmengine'),
        (dict(default_scope=None, model=dict(type='mmdet.models.RetinaNet')), 'mmdet'),
        (
            dict(
                default_scope=None,
                model=dict(backbone=dict(type='mmattn.AttnResNet'), neck=dict(type='mmdet.models.FPN')),
            ),
            'mmdet',
        ),
        (
            dict(
                default_scope=None,
                model=dict(type='mmattn.SE'),
                val_dataloader=dict(dataset=dict(pipeline=[dict(type='mmpretrain.datasets.PackInputs')])),
            ),
            'mmpretrain',
        ),
    ],
)
def test_scope(content, scope):
    assert scope_of(Config(content)) == scope
