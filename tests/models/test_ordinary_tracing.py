"""What traces, exports or compiles a ResNet of torchvision's does so with every network here.

One test for each promise, over every network; the networks are tiny (see `tiny`).
"""

import copy
import functools
import io
import warnings

import pytest
import torch
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval_for_single_model
from mmengine.utils import digit_version
from tiny import ENOUGH, TINY, as_double, assert_all_close, gradients, relative_error, tiny, tiny_images
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.engine.fold_norms import fold_norms_in_training

TORCH = digit_version(torch.__version__.split('+')[0])
every_network = pytest.mark.parametrize('name', TINY)
one_for_each_module = pytest.mark.parametrize('name', ENOUGH)
# mmengine's search for pairs stops where a norm follows what is no module, as in the blocks of these.
NORM_AFTER_CONV = [
    name
    for name in TINY
    if not any(word in name.lower() for word in ('epsa', 'mspa', 'pyconv', 'bam_resnet', 'resnet_bam', 'preact'))
]


def needs_torch(version: str, what: str):
    return pytest.mark.skipif(digit_version(version) > TORCH, reason=f'torch before {version} has no {what}')


def other_images(name, device='cpu', step=7):
    """Of another batch and a larger size than `tiny_images`, by multiples of `step`: to run what those traced."""
    return nn.functional.pad(tiny_images(name, device, batch=3), (0, 2 * step, 0, step))


# --- torch.fx -----------------------------------------------------------------------------------


@every_network
@pytest.mark.parametrize('mode', ['eval', 'train'])
def test_fx_trace_equals_the_network(name, mode, device):
    net, x = tiny(name, device).train(mode == 'train'), tiny_images(name, device)
    traced = torch.fx.symbolic_trace(copy.deepcopy(net))
    torch.testing.assert_close(traced(x), net(x))
    other = other_images(name, device)
    torch.testing.assert_close(traced(other), net(other))


@every_network
def test_feature_extractor_of_torchvision_returns_the_stages(name, device):
    feature_extraction = pytest.importorskip('torchvision.models.feature_extraction')
    backbone, x = tiny(name, device).backbone, tiny_images(name, device)
    extractor = feature_extraction.create_feature_extractor(copy.deepcopy(backbone), ['layer1', 'layer2'])
    expected = {}
    for stage in ('layer1', 'layer2'):
        getattr(backbone, stage).register_forward_hook(
            lambda module, args, out, stage=stage: expected.setdefault(stage, out.clone())
        )
    backbone(x)
    torch.testing.assert_close(extractor(x), expected)


@pytest.mark.slow
@every_network
def test_fx_quantisation_converts_and_stays_near(name, cpu_only):
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    net, x = tiny(name), tiny_images(name, batch=8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        prepared = prepare_fx(copy.deepcopy(net), get_default_qconfig_mapping('x86'), (x,))
        prepared(x)
        quantised = convert_fx(prepared)(x)
    assert any(type(m).__module__.startswith('torch.ao.nn') for m in convert_fx(prepared).modules())
    assert torch.corrcoef(torch.stack((quantised.flatten(), net(x).flatten())))[0, 1] > 0.9


@pytest.mark.parametrize('name', NORM_AFTER_CONV)
def test_efficient_conv_bn_eval_of_mmengine_keeps_outputs_and_gradients(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    expected, expected_gradients = net(x), gradients(net, x)
    turn_on_efficient_conv_bn_eval_for_single_model(net.backbone)
    assert relative_error(net(x), expected) < 1e-8
    assert_all_close(gradients(net, x), expected_gradients, 1e-8)


# --- norms in eval mode, folded in training -----------------------------------------------------


def norms_in_eval(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    net.backbone.norm_eval = True
    net.train()
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return net, x


def bytes_for_backward(net, x) -> int:
    """Of the storages that autograd keeps, without the parameters."""
    kept, own = {}, {p.untyped_storage().data_ptr() for p in [*net.parameters(), *net.buffers()]}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(x)
    return sum(size for size, _ in kept.values())


@pytest.mark.slow
@every_network
def test_folded_norms_keep_outputs_and_gradients_and_save_memory(name, device):
    net, x = norms_in_eval(name, device)
    folded = copy.deepcopy(net)
    fold_norms_in_training(folded)
    assert list(folded.state_dict()) == list(net.state_dict())
    assert relative_error(folded(x), net(x)) < 1e-8
    expected = gradients(net, x)
    assert_all_close(gradients(folded, x), expected, 1e-8)
    assert_all_close(gradients(copy.deepcopy(folded), x), expected, 1e-8)
    if 'preact' not in name:  # where a norm follows a convolution in few places
        large = x.repeat(2, 1, 2, 2).float()  # so that it is feature maps, not weights, that make the difference
        assert bytes_for_backward(folded.float(), large) < bytes_for_backward(net.float(), large)


@every_network
def test_folded_norms_in_train_mode_take_statistics_of_the_batch(name, device):
    net, x = as_double(tiny(name, device), tiny_images(name, device))
    folded = copy.deepcopy(net)
    fold_norms_in_training(folded)
    net.train(), folded.train()
    assert relative_error(folded(x), net(x)) < 1e-8
    torch.testing.assert_close(folded.state_dict(), net.state_dict())


def test_a_copy_of_a_folded_network_has_weights_of_its_own(device):
    net, x = norms_in_eval('resnet50', device)
    fold_norms_in_training(net)
    twin, before = copy.deepcopy(net), net(x)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    torch.testing.assert_close(net(x), before, rtol=0, atol=0)
    assert not twin(x).any()


# --- export -------------------------------------------------------------------------------------


@pytest.mark.slow
@every_network
@torch.no_grad()
def test_jit_trace_is_saved_and_runs_at_another_size_and_batch(name, device):
    net = tiny(name, device)
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, tiny_images(name, device), check_trace=False), file)
    file.seek(0)
    other = other_images(name, device)
    torch.testing.assert_close(torch.jit.load(file)(other), net(other))


def free_axes():
    """Any batch, and sizes that the strides divide, as torch asks of torchvision's ResNet too."""
    height, width = (8 * torch.export.Dim(axis, min=2, max=512) for axis in ('height', 'width'))
    return ({0: torch.export.Dim('batch', max=4096), 2: height, 3: width},)


def check_onnx(path, name, net, step):
    onnx, onnxruntime = pytest.importorskip('onnx'), pytest.importorskip('onnxruntime')
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    for x in (tiny_images(name), other_images(name, step=step)):
        (out,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert relative_error(torch.from_numpy(out), net(x)) < 1e-4


@functools.cache
def exported(name, device):
    """One block of a network, and what `torch.export` makes of it with free axes."""
    net = tiny(name, device, num_stages=1, stage_blocks=(1,))
    with torch.no_grad():
        return net, torch.export.export(net, (tiny_images(name, device),), dynamic_shapes=free_axes())


@pytest.mark.slow
@needs_torch('2.5', 'torch.export with free sizes that can be relied upon')
@one_for_each_module
@torch.no_grad()
def test_torch_export_is_saved_and_runs_at_another_size_and_batch(name, device):
    (net, program), file = exported(name, device), io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    other = other_images(name, device, step=8)
    torch.testing.assert_close(torch.export.load(file).module()(other), net(other))


@pytest.mark.slow
@needs_torch('2.7', 'ONNX exporter whose sizes stay free')
@one_for_each_module
@torch.no_grad()
def test_onnx_equals_the_network_at_another_size_and_batch(name, device, tmp_path, cpu_only):
    pytest.importorskip('onnxscript')
    (net, program), path = exported(name, device), tmp_path / 'net.onnx'
    torch.onnx.export(program, dynamo=True, verbose=False).save(path)
    check_onnx(path, name, net, step=8)


@pytest.mark.slow
@every_network
@torch.no_grad()
def test_legacy_onnx_equals_the_network_at_another_size_and_batch(name, tmp_path, cpu_only):
    pytest.importorskip('onnx')
    net, path = tiny(name), tmp_path / 'net.onnx'
    options = dict(dynamo=False) if digit_version('2.5') <= TORCH else {}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            net,
            (tiny_images(name),),
            path,
            opset_version=17,
            input_names=['images'],
            dynamic_axes={'images': {0: 'batch', 2: 'height', 3: 'width'}},
            **options,
        )
    check_onnx(path, name, net, step=7)


# --- torch.compile ------------------------------------------------------------------------------


def assert_compiles(net, x, backend):
    """The compiled network, of one graph, has the outputs and gradients of the plain one."""
    torch.compiler.reset()
    compiled = torch.compile(copy.deepcopy(net), backend=backend, fullgraph=True)
    result = {key.removeprefix('_orig_mod.'): value for key, value in gradients(compiled, x).items()}
    assert_all_close(result, gradients(net, x), 1e-8 if x.dtype == torch.double else 1e-3)
    torch.testing.assert_close(compiled(x), net(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@every_network
def test_compiles_in_one_graph(name, device):
    assert_compiles(*as_double(tiny(name, device).train(), tiny_images(name, device)), 'eager')


@pytest.mark.slow
@needs_torch('2.5', 'inductor known to be right: that of 2.1 has wrong gradients for EMA, unlike its other backends')
def test_inductor_equals_eager(device):
    """Depth attention and EMA, in one network: each compilation takes a quarter of a minute."""
    name = 'sda_resnet50'
    net = tiny(name, device, num_stages=1, stage_blocks=(1,), attn='mmattn.EMA').train()
    assert_compiles(net, tiny_images(name, device), 'inductor')
