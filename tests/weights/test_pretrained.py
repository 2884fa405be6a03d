"""Loading pretrained weights: what is said, and that nothing is an error."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
from mmengine.model import PretrainedInit
from mmengine.runner import CheckpointLoader
from torch import nn

from mmattn.errors import UserError
from mmattn.models.backbones import AttnResNet
from mmattn.weights import pretrained

TINY = dict(depth=50, base_channels=8)


@pytest.fixture
def said(monkeypatch):
    """The lines that loading logs."""
    lines = []
    monkeypatch.setattr(pretrained, 'print_log', lambda line, *_: lines.append(line))
    return lines


@pytest.fixture
def files(tmp_path):
    """Checkpoints of a plain trunk with a classifier: by itself, and of an mmpretrain classifier."""
    state = AttnResNet(**TINY).state_dict()
    for value in state.values():
        value.copy_(torch.rand(value.shape) * 5)
    head = {'fc.weight': torch.rand(10, 256), 'fc.bias': torch.rand(10)}
    torch.save({**state, **head}, tmp_path / 'plain.pth')
    whole = {f'backbone.{k}': v for k, v in state.items()} | {f'head.{k}': v for k, v in head.items()}
    torch.save(dict(state_dict=whole, meta={}), tmp_path / 'classifier.pth')
    torch.save({f'module.{k}': v for k, v in state.items()}, tmp_path / 'parallel.pth')
    return tmp_path, state


def init_cfg(path, **options) -> dict:
    return dict(type='Pretrained', checkpoint=str(path), **options)


def initialized(cfg, **options) -> AttnResNet:
    network = AttnResNet(**TINY | options, init_cfg=cfg)
    network.init_weights()
    return network


def holds(network, state) -> bool:
    return all(torch.equal(network.state_dict()[key], value) for key, value in state.items())


def test_all_of_a_plain_checkpoint(files, said):
    folder, state = files
    assert holds(initialized(init_cfg(folder / 'plain.pth')), state)
    assert said == [f'AttnResNet: loaded {len(state)} of {len(state) + 2} tensors of {folder}/plain.pth; unused: fc.*']


@pytest.mark.parametrize('prefix', ['backbone.', 'backbone'])
def test_prefix(files, said, prefix):
    folder, state = files
    assert holds(initialized(init_cfg(folder / 'classifier.pth', prefix=prefix)), state)
    assert len(said) == 1 and f'loaded {len(state)} of {len(state)} tensors' in said[0] and 'unused' not in said[0]


def test_what_parallel_training_puts_before_keys_is_cut_off(files, said):
    folder, state = files
    assert holds(initialized(init_cfg(folder / 'parallel.pth')), state)


def test_attention_is_named_in_groups_and_starts_by_itself(files, said):
    folder, state = files
    network = initialized(init_cfg(folder / 'plain.pth'), attn='mmattn.SPEM', depth_attn='mmattn.SDA')
    assert holds(network, state)
    assert 'not loaded: attn of 16 blocks, depth_attn of 4 stages; unused: fc.*' in said[0]
    assert (network.layer1[0].attn.b1 == -1).all()


def test_after_other_initialisation(files, said):
    folder, state = files
    cfgs = [init_cfg(folder / 'plain.pth'), dict(type='Constant', val=3, layer=['Linear', 'Conv2d'])]
    network = initialized(cfgs, attn='mmattn.SE')
    assert holds(network, state) and (network.layer1[0].attn.fc1.weight == 3).all()
    assert network.init_cfg == cfgs


def test_a_safetensors_file(files, said):
    folder, state = files
    safetensors.torch.save_file(dict(state), folder / 'plain.safetensors')
    assert holds(initialized(init_cfg(folder / 'plain.safetensors')), state)


def test_init_weights_returns_the_keys_that_no_checkpoint_filled(files, said):
    folder, _ = files
    torch.save({'layer1.0.attn.fc1.weight': torch.rand(2, 32)}, folder / 'gates.pth')
    network = AttnResNet(
        **TINY, attn='mmattn.SE', init_cfg=[init_cfg(folder / 'plain.pth'), init_cfg(folder / 'gates.pth')]
    )
    unfilled = pretrained.init_weights(network, lambda: None)
    assert unfilled == {key for key in network.state_dict() if '.attn.' in key} - {'layer1.0.attn.fc1.weight'}
    assert pretrained.init_weights(AttnResNet(**TINY), lambda: None) == frozenset()


def test_second_call_loads_nothing(files, said):
    network = initialized(init_cfg(files[0] / 'plain.pth'))
    with torch.no_grad():
        network.conv1.weight.zero_()
    network.init_weights()
    assert not network.conv1.weight.any() and len(said) == 1


def test_other_shapes_are_named(files, said):
    network = initialized(init_cfg(files[0] / 'plain.pth'), in_channels=4)
    assert 'of other shape, not loaded: conv1.weight (8, 3, 7, 7), here (8, 4, 7, 7)' in said[0]
    assert network.conv1.weight.shape[1] == 4


@pytest.mark.parametrize(
    'file, options, advice',
    [
        ('classifier.pth', {}, "give init_cfg prefix='backbone.', with which {} do"),
        ('classifier.pth', dict(prefix='bakbone.'), "prefix='bakbone.': give init_cfg prefix='backbone.'"),
        ('plain.pth', dict(prefix='backbone.'), "prefix='backbone.': leave the prefix out, with which {} do"),
    ],
)
def test_nothing_that_fits_is_an_error_that_names_the_prefix(files, said, file, options, advice):
    folder, state = files
    with pytest.raises(UserError) as error:
        initialized(init_cfg(folder / file, **options))
    assert advice.format(len(state)) in str(error.value) and '\n' not in str(error.value)


def test_another_network_is_an_error_that_shows_keys(tmp_path):
    torch.save({'patch_embed.weight': torch.rand(3, 3)}, tmp_path / 'vit.pth')
    with pytest.raises(UserError, match=r'keys \(patch_embed.weight, …\) are of another network; .* conv1.weight'):
        initialized(init_cfg(tmp_path / 'vit.pth'))


@pytest.mark.parametrize('content', [[1, 2], dict(epoch=3), dict(state_dict={})])
def test_a_file_without_weights(tmp_path, content):
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(UserError, match='holds no weights'):
        initialized(init_cfg(tmp_path / 'other.pth'))


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        initialized(init_cfg(tmp_path / 'none.pth'))


def test_torchvision_address(files, said, monkeypatch):
    """'torchvision://…' reaches mmengine's loader for that scheme, and its weights the network."""
    folder, state = files
    addresses = []

    def loader(address, map_location):
        addresses.append(address)
        return torch.load(folder / 'plain.pth', map_location=map_location)

    monkeypatch.setattr(
        CheckpointLoader,
        '_get_checkpoint_loader',
        classmethod(lambda cls, path: loader if path.startswith('torchvision://') else None),
    )
    loader.__name__ = 'load_from_torchvision'
    assert holds(initialized(init_cfg('torchvision://resnet50')), state)
    assert addresses == ['torchvision://resnet50'] and 'torchvision://resnet50; unused: fc.*' in said[0]


@pytest.mark.parametrize(
    'init_cfg, expected',
    [
        (None, False),
        ({}, False),
        ([], False),
        (dict(type='Kaiming', layer='Conv2d'), False),
        (init_cfg('x.pth'), True),
        ([dict(type='Constant', val=1), dict(type=PretrainedInit, checkpoint='x.pth')], True),
    ],
    ids=str,
)
def test_which_init_cfg_names_a_checkpoint(init_cfg, expected):
    assert pretrained.is_pretrained(init_cfg) is expected


def test_a_vision_transformer_fits_its_positions_to_another_size(tmp_path, said):
    """By a hook of the module on its state dict, as mmengine's loading would have it."""

    class Positions(nn.Module):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.positions, self.linear = nn.Parameter(torch.zeros(count)), nn.Linear(1, 1)
            self._register_load_state_dict_pre_hook(self.resize)

        def resize(self, state_dict, prefix, *_):
            state_dict[f'{prefix}positions'] = state_dict[f'{prefix}positions'][: len(self.positions)]

    torch.save(Positions(6).state_dict(), tmp_path / 'x.pth')
    differences = pretrained.load_pretrained(Positions(4), str(tmp_path / 'x.pth'))
    assert differences.keys == () and 'loaded 3 of 3 tensors' in said[0]
