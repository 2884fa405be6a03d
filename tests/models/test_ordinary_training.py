"""Copies, dtypes, formats, wrappers and trainers treat every network as any other module.

One test for each promise; the networks are tiny (see `tiny`).
"""

import copy
import io
import pickle

import pytest
import torch
from mmengine.model import ExponentialMovingAverage, revert_sync_batchnorm
from tiny import TINY, as_double, assert_all_close, channels_last, gradients, relative_error, tiny, tiny_images
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel

every_network = pytest.mark.parametrize('name', TINY)
both_modes = pytest.mark.parametrize('mode', ['eval', 'train'])


# --- copies -------------------------------------------------------------------------------------


def saved_and_loaded(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@every_network
@pytest.mark.parametrize(
    'copied',
    [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), saved_and_loaded],
    ids=['deepcopy', 'pickle', 'torch.save'],
)
@torch.no_grad()
def test_copy_computes_the_same_with_weights_of_its_own(name, copied, device):
    net, x = tiny(name, device), tiny_images(name, device)
    before = net(x)
    twin = copied(net)
    torch.testing.assert_close(twin(x), before, rtol=0, atol=0)
    for parameter in twin.parameters():
        parameter.zero_()
    torch.testing.assert_close(net(x), before, rtol=0, atol=0)


@every_network
def test_copy_after_a_training_step_computes_the_same(name, device):
    net, x = tiny(name, device).train(), tiny_images(name, device)
    net(x).sum().backward()
    twin = copy.deepcopy(net)
    torch.testing.assert_close(twin.eval()(x), net.eval()(x), rtol=0, atol=0)


@every_network
def test_runs_on_the_meta_device(name):
    net = tiny(name).to('meta')
    assert net(tiny_images(name).to('meta')).shape == (2, 5)


# --- dtypes and formats -------------------------------------------------------------------------


@every_network
@torch.no_grad()
def test_bfloat16_weights_stay_near(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    expected = net(x)
    out = net.bfloat16()(x.bfloat16())
    assert out.dtype == torch.bfloat16
    assert relative_error(out.float(), expected) < 0.1


@every_network
@torch.no_grad()
def test_double_stays_near_and_is_double_throughout(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    expected, dtypes = net(x), set()
    net.double()
    for submodule in net.modules():
        if not list(submodule.children()):
            submodule.register_forward_hook(lambda module, args, out: dtypes.add(out.dtype))
    assert relative_error(net(x.double()), expected.double()) < 1e-4
    assert dtypes == {torch.double}


@pytest.mark.slow
@every_network
@both_modes
@pytest.mark.parametrize(
    'given',
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: x.repeat_interleave(2, 3)[..., ::2],
        lambda x: x[:, :1].expand(-1, 3, -1, -1),
    ],
    ids=['channels_last', 'transposed', 'strided', 'expanded'],
)
def test_strides_of_the_images_change_nothing(name, mode, given, device):
    net, x = as_double(tiny(name, device).train(mode == 'train'), tiny_images(name, device))
    x = given(x)
    expected = gradients(copy.deepcopy(net), x.contiguous())
    assert_all_close(gradients(net, x), expected, 1e-8)


@every_network
@both_modes
def test_channels_last_weights_change_nothing_and_gradients_have_their_strides(name, mode, device):
    net, x = as_double(tiny(name, device).train(mode == 'train'), tiny_images(name, device))
    expected = gradients(copy.deepcopy(net), x)
    result = gradients(channels_last(net), x.to(memory_format=torch.channels_last))
    assert_all_close(result, expected, 1e-8)
    # for a 1x1 kernel both formats are the same bytes, whatever the strides say
    assert [
        key
        for key, p in net.named_parameters()
        if p.dim() == 4 and p.shape[2:].numel() > 1 and p.grad.stride() != p.stride()
    ] == []


@every_network
@torch.no_grad()
def test_inference_mode_equals_no_grad(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    expected = net(x)
    with torch.inference_mode():
        torch.testing.assert_close(net(x), expected, rtol=0, atol=0)
        torch.testing.assert_close(net(x.clone()), expected, rtol=0, atol=0)


@every_network
@torch.no_grad()
def test_leaves_the_images_alone_and_keeps_them_apart(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device, batch=3))
    before = x.clone()
    out = net(x)
    assert torch.equal(x, before)
    assert relative_error(net(x[:1]), out[:1]) < 1e-8
    assert net(x[:0]).shape == (0, 5)


@every_network
def test_gradient_of_images_through_frozen_weights(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    expected = gradients(net, x)['images']
    result = gradients(net.requires_grad_(False), x)
    assert relative_error(result['images'], expected) < 1e-10


# --- autocast -----------------------------------------------------------------------------------


@pytest.mark.slow
@every_network
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=['bfloat16', 'float16'])
def test_training_step_with_autocast_and_gradient_scaler(name, dtype, device):
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('torch before 2.3 has no GradScaler for a CPU')
    net, x = tiny(name, device).train(), tiny_images(name, device, batch=4)  # for the BatchNorm of SDA
    expected = gradients(copy.deepcopy(net), x)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**8)
    before = copy.deepcopy(net.state_dict())
    with torch.autocast(device.type, dtype):
        features, logits = net.backbone(x), net(x)
    assert {feature.dtype for feature in features} == {dtype}
    assert logits.dtype == dtype
    scaler.scale(logits.float().square().sum()).backward()
    scaler.unscale_(optimizer)
    flat, exact = (
        torch.cat([values[key].flatten() for key in expected if key != 'images'])
        for values in ({key: p.grad for key, p in net.named_parameters()}, expected)
    )
    assert flat.isfinite().all()
    assert torch.cosine_similarity(flat, exact, 0) > 0.8
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**8  # a step that found infinities would have halved it
    assert any(not torch.equal(value, before[key]) for key, value in net.named_parameters())


# --- recomputing activations --------------------------------------------------------------------


@pytest.mark.slow
@every_network
@both_modes
def test_with_cp_equals_plain_and_updates_statistics_once(name, mode, device):
    x = tiny_images(name, device).double()
    results = []
    for with_cp in (False, True):
        net = tiny(name, device, with_cp=with_cp).double().train(mode == 'train')
        found = gradients(net, x)
        results.append((net, found | {'output': net.eval()(x)}))
    (plain, expected), (checkpointed, result) = results
    assert_all_close(result, expected, 1e-10)
    torch.testing.assert_close(checkpointed.state_dict(), plain.state_dict())


# --- wrappers and trainers ----------------------------------------------------------------------


@every_network
@torch.no_grad()
def test_sync_batchnorm_there_and_back_changes_nothing(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    expected, keys = net(x), list(net.state_dict())
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net))
    assert any(isinstance(module, nn.SyncBatchNorm) for module in converted.modules())
    assert not any(type(module) is nn.BatchNorm2d for module in converted.modules())
    assert list(converted.state_dict()) == keys
    torch.testing.assert_close(converted.eval()(x), expected)
    reverted = revert_sync_batchnorm(converted)
    assert list(reverted.state_dict()) == keys
    torch.testing.assert_close(reverted.eval()(x), expected)


@every_network
@pytest.mark.parametrize('average', [AveragedModel, ExponentialMovingAverage], ids=['torch', 'mmengine'])
def test_averaged_model_of_one_network_is_the_network(name, average, device):
    net, x = tiny(name, device), tiny_images(name, device)
    averaged = average(net)
    averaged.update_parameters(net)
    torch.testing.assert_close(averaged(x), net(x))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)
    averaged.update_parameters(net)
    assert relative_error(averaged(x), net(x)) > 1e-6


def convolutions(net):
    """Names of the convolutions of a block's spatial slot that are larger than 1x1."""
    return [
        name
        for name, module in net.backbone.named_modules()
        if isinstance(module, nn.Conv2d) and 'layer1.1.conv2' in name and module.weight.shape[2:].numel() > 1
    ]


@every_network
@torch.no_grad()
def test_pruning_a_convolution_takes_effect(name, device):
    net, x = tiny(name, device), tiny_images(name, device)
    for key in convolutions(net):
        conv, before = net.backbone.get_submodule(key), net(x)
        prune.l1_unstructured(conv, 'weight', amount=0.9)
        pruned = net(x)
        assert relative_error(pruned, before) > 1e-7, key
        prune.remove(conv, 'weight')
        torch.testing.assert_close(net(x), pruned)


@every_network
def test_weight_norm_of_a_convolution_takes_effect(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    for key in convolutions(net):
        conv, before = net.backbone.get_submodule(key), net(x)
        parametrizations.weight_norm(conv)
        assert relative_error(net(x), before) < 1e-8
        with torch.no_grad():
            conv.parametrizations.weight.original0.mul_(2)
        assert relative_error(net(x), before) > 1e-7, key
        net(x).square().sum().backward()
        assert conv.parametrizations.weight.original0.grad.any(), key


@every_network
def test_gradients_accumulate_over_two_passes(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    expected = {key: 2 * value for key, value in gradients(net, x).items() if key != 'images'}
    net.zero_grad()
    outs = net(x), net(x)  # two passes, then both backward
    (outs[0].square().sum() + outs[1].square().sum()).backward()
    assert_all_close({key: p.grad for key, p in net.named_parameters() if p.grad is not None}, expected, 1e-10)
