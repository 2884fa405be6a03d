"""Backbones of fit by name: each can be built thin and full, and takes pretrained weights where it says so."""

from __future__ import annotations

import pytest
import torch
import torchvision
from mmengine.registry import MODELS

from mmattn.errors import UserError
from mmattn.fit import backbones
from mmattn.fit.weights import check_fit, choose_weights
from mmattn.models.backbones.attn_resnet import AttnResNet

NAMES = backbones.names()


def test_default_is_one_of_the_names():
    assert backbones.DEFAULT in NAMES and {'resnet50', 'ema-resnet50', 'epsanet50', 'spem-resnet50'} <= set(NAMES)
    assert not any('164' in name or '29' in name for name in NAMES)


def test_unknown_name_is_refused_with_the_names():
    with pytest.raises(UserError, match='sda-resnet50'):
        backbones.read('resnet99')


# One of a family is enough: they differ in depth.
KINDS = [name for name in NAMES if '50' in name and 'v1d' not in name]


@pytest.mark.parametrize('name', KINDS)
def test_thin_backbone_is_smaller_and_computes(name):
    backbone = backbones.read(name)
    small = MODELS.build(backbones.thin(backbone, 'GN'))
    wide = ('epsanet50', 'epsanet50-large', 'pyconv50')  # whose groups permit no other width
    assert (small.out_channels[-1] < 2048) == (name not in wide)
    with torch.no_grad():
        outputs = small.eval()(torch.zeros(1, 3, 64, 64))
    assert [output.shape[1] for output in outputs] == backbones.channels(backbones.thin(backbone, 'GN'))


@pytest.mark.parametrize('name', [name for name in KINDS if backbones.takes_torchvision(backbones.read(name))])
def test_backbone_that_takes_torchvisions_weights_computes_the_same_at_first(name):
    backbone = backbones.with_identity_start(backbones.read(name))
    ours = MODELS.build(backbone).eval()
    assert isinstance(ours, AttnResNet)
    theirs = getattr(torchvision.models, f'resnet{backbone["depth"]}')(weights=None).eval()
    lacking = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not any(key for key in lacking.missing_keys if 'attn' not in key)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = torch.nn.Sequential(*list(theirs.children())[:-2])
    with torch.no_grad():
        torch.testing.assert_close(ours(images)[-1], features(images), rtol=1e-4, atol=1e-5)


def test_weights_for_a_backbone_that_torchvision_has_not_are_random():
    choice = choose_weights('auto', backbones.read('epsanet50'), 'full')
    assert choice.value is None and '--weights' in choice.reason


def test_weights_of_a_thin_network_are_random():
    assert choose_weights('auto', backbones.read('resnet50'), 'thin').value is None


def test_torchvisions_weights_are_taken_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('mmattn.fit.weights._unreachable', lambda address: 'no network')
    assert choose_weights('auto', backbones.read('resnet50'), 'full').shown == 'random'
    name = choose_weights.__globals__['get_torchvision_models']()['resnet50'].rsplit('/', 1)[1]
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    (tmp_path / 'hub' / 'checkpoints' / name).touch()
    assert choose_weights('auto', backbones.read('resnet50'), 'full').value['checkpoint'] == 'torchvision://resnet50'


def test_weights_of_a_classifier_get_their_prefix(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict={'backbone.conv1.weight': torch.zeros(1)}), path)
    assert choose_weights(str(path), backbones.read('resnet50'), 'full').value['prefix'] == 'backbone.'
    with pytest.raises(UserError, match='no weights at'):
        choose_weights(str(tmp_path / 'none.pth'), backbones.read('resnet50'), 'full')


def test_weights_of_another_width_or_backbone_are_refused(tmp_path):
    thin = backbones.thin(backbones.read('resnet50'), 'GN')
    path = tmp_path / 'thin.pth'
    state = {f'backbone.{key}': value for key, value in MODELS.build(thin).state_dict().items()}
    torch.save(dict(state_dict=state), path)
    weights = choose_weights(str(path), backbones.read('resnet50'), 'thin').value
    check_fit(thin, weights)
    for other in (backbones.read('resnet50'), backbones.thin(backbones.read('mspanet-b50'), 'GN')):
        with pytest.raises(UserError, match='--size'):
            check_fit(other, weights)
