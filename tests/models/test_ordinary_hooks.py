"""Whatever is put on or around a submodule takes effect, in every network: hooks, wrappers, Grad-CAM.

One test for each promise; the networks are tiny (see `tiny`).
"""

import warnings

import pytest
import torch
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from tiny import TINY, as_double, assert_all_close, gradients, relative_error, tiny, tiny_images
from torch import nn

from mmattn.registry import MODELS

every_network = pytest.mark.parametrize('name', TINY)
BLOCKS = ('layer1.0', 'layer1.1', 'layer2.0')
HOLDERS = (nn.ModuleList, nn.ModuleDict)  # are not called themselves


def blocks_of(net):
    return [net.get_submodule(f'backbone.{name}') for name in BLOCKS]


def calls_of(net, run) -> dict[str, int]:
    """How often the forward hook of each submodule fires in ``run()``."""
    calls = {name: 0 for name, _ in net.named_modules()}
    handles = [
        submodule.register_forward_hook(lambda module, args, out, name=name: calls.__setitem__(name, calls[name] + 1))
        for name, submodule in net.named_modules()
    ]
    run()
    for handle in handles:
        handle.remove()
    return calls


@every_network
@pytest.mark.parametrize('grad', [True, False], ids=['training', 'inference'])
def test_forward_hooks_fire_for_every_submodule(name, grad, device):
    net, x = tiny(name, device).train(grad), tiny_images(name, device)
    with torch.set_grad_enabled(grad):
        calls = calls_of(net, lambda: net(x))
    modules = dict(net.named_modules())
    silent = [
        key
        for key, count in calls.items()
        if not count and list(modules[key].parameters()) and not isinstance(modules[key], HOLDERS)
    ]
    assert silent == []
    # ReLU and the layers that an attention shares between its inputs may be called several times; the rest is not
    once = [
        'backbone',
        *(f'backbone.{block}' for block in BLOCKS),
        *(
            key
            for key in calls
            if key.rpartition('.')[2].startswith(('conv1', 'conv2', 'bn', 'attn', 'depth_attn'))
            and '.attn.' not in key
            and 'depth_attn.' not in key
            and '.conv2.' not in key
        ),
    ]
    assert {key: calls[key] for key in once if calls[key] != 1} == {}


@every_network
def test_hook_that_changes_a_blocks_output_changes_the_networks(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    with torch.no_grad():
        before = net(x)
        for block in blocks_of(net):
            handle = block.register_forward_hook(lambda module, args, out: 2 * out + 1)
            assert relative_error(net(x), before) > 1e-3
            handle.remove()
        torch.testing.assert_close(net(x), before, rtol=0, atol=0)


@every_network
def test_backward_hooks_of_blocks_see_the_gradients(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    expected, seen = gradients(net, x), []
    for block in blocks_of(net):
        block.register_full_backward_hook(
            lambda module, grad_input, grad_output: seen.append((module, *grad_input, *grad_output))
        )
    assert_all_close(gradients(net, x), expected, 1e-10)
    assert [module for module, *_ in seen] == blocks_of(net)[::-1]
    assert all(gradient.any() for _, *found in seen for gradient in found)


@every_network
def test_grad_cam_of_the_last_block_shows_something(name, device):
    grad_cam = pytest.importorskip('pytorch_grad_cam')
    targets = pytest.importorskip('pytorch_grad_cam.utils.model_targets')
    net, x = tiny(name, device), tiny_images(name, device, batch=1)
    with grad_cam.GradCAM(net, [net.backbone.layer2[-1]]) as cam:
        maps = [cam(x, [targets.ClassifierOutputTarget(i)]) for i in range(5)]
    assert maps[0].shape == (1, *x.shape[2:])
    assert max(float(found.max()) for found in maps) > 0


@every_network
def test_activation_checkpointing_of_mmengine_equals_plain(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    expected = gradients(net, x)
    turn_on_activation_checkpointing(net.backbone, list(BLOCKS))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it does not say which of the two kinds of checkpoint it takes
        assert_all_close(gradients(net, x), expected, 1e-10)


@every_network
def test_checkpoint_wrapper_of_blocks_equals_plain(name, device):
    wrappers = pytest.importorskip('torch.distributed.algorithms._checkpoint.checkpoint_wrapper')
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    expected = gradients(net, x)
    kinds = {type(block) for block in blocks_of(net)}
    wrappers.apply_activation_checkpointing(net, check_fn=lambda module: type(module) in kinds)
    wrapped = {key.replace('_checkpoint_wrapped_module.', ''): value for key, value in gradients(net, x).items()}
    assert '_checkpoint_wrapped_module' in ''.join(key for key, _ in net.named_parameters())
    assert_all_close(wrapped, expected, 1e-10)


@every_network
def test_replacing_a_submodule_takes_effect(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    with torch.no_grad():
        before = net(x)
        for block, relu in ((block, block.relu) for block in blocks_of(net)):
            block.relu = nn.LeakyReLU(0.5)
            assert relative_error(net(x), before) > 1e-4
            block.relu = relu


@pytest.mark.parametrize('depth_attn', ['mmattn.SDA', dict(type='mmattn.AfterStage', attn='mmattn.SE'), None])
@pytest.mark.parametrize('at', ['layer1.0', 'layer1.1', 'layer2.0', 'layer2'])
def test_attention_put_on_a_block_takes_effect(depth_attn, at, device):
    torch.manual_seed(0)
    net = (
        MODELS.build(
            dict(
                type='mmattn.AttentionOn',
                at=at,
                attn=dict(type='mmattn.SE', identity_init=True),
                backbone=dict(
                    type='mmattn.AttnResNet',
                    depth=50,
                    base_channels=16,
                    num_stages=2,
                    stage_blocks=(2, 1),
                    depth_attn=depth_attn,
                ),
            )
        )
        .to(device)
        .eval()
    )
    x = tiny_images('resnet50', device)
    with torch.no_grad():
        before = net(x)[-1]
        for key, value in net.named_parameters():
            if key.endswith('gate'):
                value.fill_(1)
        assert relative_error(net(x)[-1], before) > 1e-3
