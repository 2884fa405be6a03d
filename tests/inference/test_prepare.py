"""The prepared copy: what it computes, what it folds, and that the original stays as it is."""

import copy

import pytest
import torch
from networks import NETWORKS, images
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.inference import chunks, prepare
from mmattn.models.backbones import AttnResNet

pytestmark = pytest.mark.usefixtures('quiet_init')


def randomised(model: nn.Module) -> nn.Module:
    """In eval mode and double precision, with norms that are not the identity."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for value in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return model.double().eval()


def tensors(out) -> list[Tensor]:
    return list(out) if isinstance(out, tuple) else [out]


@torch.no_grad()
def prepared_alike(model: nn.Module, x: Tensor, **options) -> nn.Module:
    """The prepared copy, after a check that it computes the same and that `model` is as before."""
    model = randomised(model)
    state = copy.deepcopy(model.state_dict())
    prepared = prepare(model, **options)
    for a, b in zip(tensors(prepared(x)), tensors(model(x)), strict=True):
        assert (a - b).abs().max() <= 1e-10 * b.std()
    assert list(model.state_dict()) == list(state) and all(
        torch.equal(v, state[k]) for k, v in model.state_dict().items()
    )
    return prepared


def norms(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]


def unfolded(name: str) -> set[str]:
    """Norms that no convolution can take: before one, or behind an attention or a gate."""
    if name.startswith('preact'):
        return {'bn1', 'bn3', 'backbone.bn'} if 'mspa' in name else {'bn1', 'backbone.bn'}
    behind_gate = {'bn2'} if 'epsanet' in name or 'mspa' in name else set()
    return behind_gate | ({'neck.bn'} if 'sda_' in name else set())


@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_computes_the_same_with_its_norms_folded(name):
    prepared = prepared_alike(NETWORKS[name].build_small(), images(1, 3, 32, 32).double())
    left = {n if n.startswith(('neck', 'backbone.bn')) else n.rpartition('.')[2] for n in norms(prepared)}
    assert left == unfolded(name)


@pytest.mark.parametrize(
    'options, left',
    [
        (dict(deep_stem=True, avg_down=True), 0),
        (dict(attn='mmattn.CoordAttention'), 0),
        (dict(attn='mmattn.TripletAttention'), 0),
        (dict(norm_cfg=dict(type='SyncBN')), 0),
        # BAM has a norm after a linear layer in each of 8 blocks
        (dict(attn='mmattn.BAM'), 8),
        # the plugin is between convolution and norm in each of 8 blocks
        (dict(block='preact', plugins=[dict(cfg=dict(type='mmattn.SE'), position='after_conv1')]), 17),
    ],
)
def test_variants_compute_the_same(options, left):
    model = AttnResNet(depth=18, base_channels=16, **options)
    assert len(norms(prepared_alike(model, images(2, 3, 64, 64).double()))) == left


def test_group_norm_stays():
    model = AttnResNet(depth=18, base_channels=16, norm_cfg=dict(type='GN', num_groups=4))
    count = sum(isinstance(m, nn.GroupNorm) for m in model.modules())
    prepared = prepared_alike(model, images(2, 3, 64, 64).double())
    assert sum(isinstance(m, nn.GroupNorm) for m in prepared.modules()) == count


def test_images_may_be_given_by_name():
    net = randomised(AttnResNet(depth=18, base_channels=8, stem_channels=8))
    x = images(1, 3, 32, 32).double()
    torch.testing.assert_close(prepare(net)(x=x), net(x=x))


def test_a_sequential_with_a_forward_of_its_own_is_left_alone():
    class Tapped(nn.Sequential):
        def forward(self, x):
            return self[0](x), super().forward(x)

    prepared_alike(Tapped(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), images(1, 3, 8, 8).double())


def test_what_cannot_take_a_norm_keeps_it():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)

    twice, hooked, norm = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
    weight_normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))
    for module in (norm, hooked):
        module.register_forward_hook(lambda module, args, out: out.relu())
    model = nn.Sequential(
        twice,
        nn.BatchNorm2d(3),
        twice,
        nn.BatchNorm2d(3),
        hooked,
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 3, 1),
        norm,
        weight_normed,
        nn.BatchNorm2d(3),
        Standardised(3, 3, 1),
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 3, 1),
        nn.BatchNorm2d(3),
    )
    assert norms(prepared_alike(model, images(1, 3, 8, 8).double())) == ['1', '3', '5', '7', '9', '11']


def test_a_model_in_training_mode_is_copied_into_eval_mode():
    model = AttnResNet(depth=18, base_channels=8, stem_channels=8).train()
    prepared = prepare(model)
    assert model.training and not [name for name, module in prepared.named_modules() if module.training]


def test_parts_can_be_left_out():
    model = randomised(AttnResNet(depth=18, base_channels=8, stem_channels=8))
    plain = prepare(model, fold=False, memory_format=False, chunks=False)
    assert list(plain.state_dict()) == list(model.state_dict())
    assert norms(prepare(model, fold=False)) and not norms(prepare(model, chunks=False))


@torch.no_grad()
@pytest.mark.parametrize('depth_attn', [None, 'mmattn.SDA'])
def test_chunks_compute_what_the_batch_does(monkeypatch, depth_attn):
    monkeypatch.setattr(chunks, 'CHUNK_BYTES', 2**16)
    monkeypatch.setattr(chunks, 'MAPS_PER_WEIGHTS', 0)
    model = randomised(AttnResNet(depth=18, base_channels=16, depth_attn=depth_attn))
    prepared, sizes = prepare(model), []
    prepared.layer1[0].register_forward_hook(lambda module, args, out: sizes.append(len(out)))
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = images(7, 3, 64, 48).double().contiguous(memory_format=memory_format)
        for a, b in zip(prepared(x), model(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    assert len(sizes) > 2 and sum(sizes) == 14


@torch.no_grad()
def test_large_batches_run_channels_last_and_small_ones_do_not():
    net = prepare(AttnResNet(depth=18, base_channels=8, stem_channels=8))
    formats = []
    net.conv1.register_forward_hook(
        lambda module, args, out: formats.append(args[0].is_contiguous(memory_format=torch.channels_last))
    )
    for size, batch in ((32, 2), (224, 2)):
        net(images(batch, 3, size, size))
    assert formats == [False, True]


@torch.no_grad()
def test_other_types_devices_and_modules_are_prepared_too():
    net = AttnResNet(depth=18, base_channels=8, stem_channels=8, attn='mmattn.SE')
    with torch.autocast('cpu', torch.bfloat16):
        assert prepare(net)(images(2, 3, 64, 64))[0].dtype == torch.bfloat16
    assert prepare(net.to('meta'))(torch.empty(2, 3, 64, 64, device='meta'))[0].shape == (2, 8, 16, 16)
    linear = nn.Linear(3, 4)
    assert torch.equal(prepare(linear)(torch.ones(1, 3)), linear(torch.ones(1, 3)))
