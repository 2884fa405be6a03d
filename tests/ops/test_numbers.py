"""Every faster way against its reference: values, gradients, gradients of gradients, transforms."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmattn import ops
from mmattn.models.attention import CBAM, EMA, SPEM
from mmattn.models.spatial.pyramid import PyramidConv


def noise(*shape: int, dtype=torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def attention(build: Callable[[], nn.Module], height: int, width: int) -> tuple[nn.Module, Tensor, float]:
    torch.manual_seed(0)
    module = build().double()
    with torch.no_grad():
        for parameter in module.parameters():  # away from the start, where many are zero
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return module, noise(2, module.in_channels, height, width), 1e-10


def ema(height: int, width: int) -> tuple[nn.Module, Tensor, float]:
    return attention(lambda: EMA(24, 4), height, width)


def grouped(out_channels: int, stride: int, bias: bool = True, dilation: int = 1) -> tuple[nn.Module, Tensor, float]:
    torch.manual_seed(0)
    module = PyramidConv(16, out_channels, 5, stride, 2 * dilation, dilation, 4, bias)
    return module, noise(2, 16, 9, 8, dtype=torch.float32), 2e-5


CASES = {
    'ema': lambda: ema(4, 5),
    'ema one position': lambda: ema(1, 1),
    'ema one row': lambda: ema(1, 3),
    'ema one column': lambda: ema(4, 1),
    'ema square': lambda: ema(2, 2),
    'depthwise': lambda: grouped(4, 1),
    'depthwise strided': lambda: grouped(4, 2, bias=False),
    'depthwise dilated': lambda: grouped(4, 1, dilation=2),
    'blocks': lambda: grouped(8, 1),
    'blocks strided': lambda: grouped(8, 2, bias=False),
    'extrema': lambda: attention(lambda: SPEM(6), 4, 5),
    'extrema of CBAM': lambda: attention(lambda: CBAM(16, 4), 4, 5),
    'blocks of four': lambda: grouped(16, 1),
    'blocks of eight': lambda: grouped(32, 2),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]()


def both(function) -> tuple:
    """What a function returns by the faster way and by the reference."""
    results = []
    for faster in (True, False):
        with ops.use_faster(faster):
            results.append(function())
    return tuple(results)


def assert_close(results: tuple, tolerance: float) -> None:
    ours, expected = ((r,) if isinstance(r, Tensor) else r for r in results)
    for a, b in zip(ours, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * max(1, b.abs().max().item()))


def test_values_and_gradients(case):
    module, x, tolerance = case
    for image in (x, x.contiguous(memory_format=torch.channels_last)):
        leaves = [image.requires_grad_(), *module.parameters()]
        assert_close(both(lambda image=image: module(image)), tolerance)
        assert_close(
            both(lambda image=image, leaves=leaves: torch.autograd.grad(module(image).pow(3).sum(), leaves)), tolerance
        )
        with torch.no_grad():
            assert_close(both(lambda image=image: module(image)), tolerance)


def test_gradients_of_gradients(case):
    module, x, tolerance = case
    leaves = [x.requires_grad_(), *module.parameters()]

    def penalty(of) -> tuple[Tensor, ...]:
        gradients = torch.autograd.grad(module(x).pow(3).sum(), of, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in gradients), leaves)

    for of in (leaves, leaves[:1], leaves[1:2]):  # all, the input alone, one weight alone
        assert_close(both(lambda of=of: penalty(of)), 10 * tolerance)


def test_transforms(case):
    module, x, tolerance = case
    direction = x.roll(1, 0)

    def loss(image: Tensor) -> Tensor:
        return module(image).pow(3).sum()

    assert_close(both(lambda: torch.func.grad(loss)(x)), tolerance)
    assert_close(both(lambda: torch.func.jvp(module, (x,), (direction,))), tolerance)
    assert_close(both(lambda: torch.func.vmap(lambda image: module(image[None])[0])(x)), tolerance)
    assert_close(both(lambda: torch.func.vmap(torch.func.grad(lambda image: loss(image[None])))(x)), tolerance)
    assert_close(both(lambda: torch.func.jvp(torch.func.grad(loss), (x,), (direction,))), 10 * tolerance)
    parameters = dict(module.named_parameters())
    assert_close(
        both(
            lambda: tuple(
                torch.func.grad(lambda p: torch.func.functional_call(module, p, (x,)).pow(3).sum())(parameters).values()
            )
        ),
        tolerance,
    )


def test_ema_stays_exact_on_a_feature_map_far_from_zero():
    module, x, _ = ema(8, 8)
    module, x = module.float(), x.float() + 100
    with torch.no_grad():
        module.conv1.weight.zero_()  # else every gate is saturated
        with ops.use_faster(True):
            ours = module(x)
        with ops.use_faster(False):
            expected = module.double()(x.double())
    assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    'c_in, c_out, groups, kernel',
    [
        (64, 16, 16, 9),
        (24, 8, 8, (7, 5)),
        (64, 16, 8, 7),
        (24, 6, 2, (5, 9)),
        (64, 16, 4, 5),
        (32, 16, 2, 7),
        (16, 8, 1, 9),
        (12, 4, 2, 3),
        (64, 64, 4, 5),
    ],
)
@pytest.mark.parametrize('stride, dilation, bias', [(1, 1, True), (2, 1, False), ((3, 1), 1, True), (1, 2, False)])
@pytest.mark.parametrize('size', [(21, 24), (7, 7), (16, 32)], ids=str)
@torch.no_grad()
def test_conv2d_is_an_ordinary_convolution(c_in, c_out, groups, kernel, stride, dilation, bias, size):
    conv = nn.Conv2d(c_in, c_out, kernel, stride, dilation * 3, dilation, groups, bias)
    x = noise(2, c_in, *size, dtype=torch.float32)
    for image in (x, x.contiguous(memory_format=torch.channels_last)):
        out = ops.conv2d(image, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, groups, faster=True)
        expected = conv(image)
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
        assert out.stride() == expected.stride()


def test_conv2d_takes_an_image_without_a_batch_and_autocast():
    conv, x = PyramidConv(16, 8, 9, padding=4, groups=4), noise(16, 8, 8, dtype=torch.float32)
    torch.testing.assert_close(conv(x), conv(x[None])[0])
    with torch.autocast('cpu', torch.bfloat16):
        out = conv(x[None])
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    (expected,) = torch.autograd.grad(F.conv2d(x[None], conv.weight, padding=4, groups=4).sum(), conv.weight)
    torch.testing.assert_close(conv.weight.grad, expected, rtol=0.05, atol=0.5)
