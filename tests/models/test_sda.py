"""Depth attention against its equations written out, and the stage that uses it."""

import pytest
import torch
import torch.nn.functional as F

from mmattn.models.depth import SDA
from mmattn.registry import MODELS


def written_out(sda: SDA, sums: list[torch.Tensor]) -> torch.Tensor:
    """u = GAP(sum Z_k); v = ReLU(BN(W_d u)); a = softmax_k(W_k v + b_k); sum a_k Z_k, term by term."""
    u = torch.stack(sums).sum(0).mean((2, 3))
    v = F.relu(sda.bn((u @ sda.squeeze.weight.flatten(1).T)[..., None, None]))[..., 0, 0]
    weights = sda.expand.weight.flatten(1).chunk(len(sums))
    biases = sda.expand.bias.chunk(len(sums))
    a = torch.stack([v @ w.T + b for w, b in zip(weights, biases)]).softmax(0)
    return (a[..., None, None] * torch.stack(sums)).sum(0)


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), dict(type='GN', num_groups=8)])
@pytest.mark.parametrize('channels, depth', [(32, 1), (32, 5), (2048, 2)])
def test_equals_its_equations(channels, depth, norm_cfg):
    torch.manual_seed(0)
    sda = SDA(channels, depth, norm_cfg=norm_cfg).double()
    sums = [torch.randn(3, channels, 5, 4, dtype=torch.double, requires_grad=True) for _ in range(depth)]
    ours, reference = sda(sums), written_out(sda, sums)
    torch.testing.assert_close(ours, reference)
    probe = torch.randn_like(ours)
    inputs = sums + list(sda.parameters())
    ours_grad, reference_grad = (torch.autograd.grad((y * probe).sum(), inputs) for y in (ours, reference))
    for a, b in zip(ours_grad, reference_grad):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-7)


def test_hidden_channels_follow_the_paper():
    assert [SDA(c, 2).squeeze.out_channels for c in (256, 512, 1024, 2048)] == [64, 64, 64, 128]


def test_weights_sum_to_one_over_depth():
    sda = SDA(16, 4).eval()
    weights = sda.depth_weights([torch.randn(2, 16, 3, 3) for _ in range(4)])
    assert weights.shape == (2, 4, 16, 1, 1)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 16, 1, 1))


def test_inputs_are_left_as_they_are():
    sda = SDA(16, 3).eval()
    sums = [torch.randn(2, 16, 3, 3) for _ in range(3)]
    copies = [z.clone() for z in sums]
    with torch.no_grad():
        sda(sums)
    assert all(torch.equal(a, b) for a, b in zip(sums, copies))


def test_one_image_trains_with_groupnorm_or_norms_in_eval_mode():
    sums = [torch.randn(1, 16, 3, 3)] * 2
    with pytest.raises(ValueError, match='more than 1 value per channel'):  # PyTorch's own
        SDA(16, 2)(sums)
    SDA(16, 2).eval()(sums)
    SDA(16, 2, norm_cfg=dict(type='GN', num_groups=8))(sums)


def test_sda_resnet86_with_its_head_has_the_papers_parameters():
    with torch.device('meta'):
        backbone = MODELS.build(dict(type='mmattn.SDAResNet'))
        neck = MODELS.build(dict(type='mmattn.GlobalAveragePoolingBN', in_channels=2048))
        fc = torch.nn.Linear(2048, 1000)
    assert sum(p.numel() for m in (backbone, neck, fc) for p in m.parameters()) == 27_219_880
