"""A map times one weight for each channel."""
import pytest
import torch

from mmattn.models import scale as module
from mmattn.models.depth.sda import WeightedSum
from mmattn.models.scale import dot, scale


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(len(shape)),
                       requires_grad=True)


@pytest.mark.parametrize('part_bytes', [1, 2**20])
def test_gradients(part_bytes, monkeypatch):
    monkeypatch.setattr(module, 'PRODUCT_BYTES', part_bytes)
    x, weight = noise(3, 4, 2, 3), noise(3, 4, 1, 1)
    for inputs in ((x, weight), (x, weight, x.detach().flip(0).requires_grad_())):
        assert torch.autograd.gradcheck(scale, inputs)
        assert torch.autograd.gradgradcheck(scale, inputs)


def test_gradients_of_the_weighted_sum():
    inputs = noise(2, 3, 4, 1, 1), *(noise(2, 4, 3, 2) + k for k in range(3))
    assert torch.autograd.gradcheck(WeightedSum.apply, inputs)
    assert torch.autograd.gradgradcheck(WeightedSum.apply, inputs)


@pytest.mark.parametrize('images, part_bytes', [(5, 1), (5, 2 * 4 * 6 * 8), (5, 2**20), (0, 2**20)])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last], ids=str)
def test_dot(images, part_bytes, memory_format, monkeypatch):
    monkeypatch.setattr(module, 'PRODUCT_BYTES', part_bytes)
    a, b = (torch.randn(images, 4, 2, 3).contiguous(memory_format=memory_format) for _ in range(2))
    torch.testing.assert_close(dot(a, b), (a * b).sum((2, 3), keepdim=True))


def test_the_type_is_the_maps():
    x, weight = torch.randn(2, 4, 3, 3).bfloat16().requires_grad_(), torch.rand(2, 4, 1, 1, requires_grad=True)
    out = scale(x, weight)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == torch.bfloat16
    assert weight.grad.dtype == torch.float32


def test_only_the_gradients_that_are_needed():
    x, weight = torch.randn(2, 4, 3, 3), torch.rand(2, 4, 1, 1, requires_grad=True)
    scale(x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum((2, 3), keepdim=True))
