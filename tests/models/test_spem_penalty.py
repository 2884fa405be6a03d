"""SPEM's penalty 0.1 * sum(p**2) in the loss is a weight decay of 0.2 on p, step for step."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmattn.models.attention import SPEM
from mmattn.registry import MODELS

ALPHA, DECAY = 0.1, 1e-4
# d(alpha p^2)/dp = 2 alpha p; mmengine multiplies the base decay: (2 alpha + decay) / decay = 2001.
CUSTOM_KEYS = {'.attn.p': dict(decay_mult=2001)}


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = MODELS.build(
            dict(type='mmattn.SPEMResNet', stage_blocks=(2, 1, 1), base_channels=4, depth_attn='mmattn.SDA')
        )
        self.head = nn.Linear(64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x)[-1].mean((2, 3)))

    def pooling_parameters(self) -> list[nn.Parameter]:
        return [m.p for m in self.modules() if isinstance(m, SPEM)]


def sgd(model: nn.Module, custom_keys: dict):
    return build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=DECAY),
            paramwise_cfg=dict(custom_keys=custom_keys),
        ),
    )


def trained(custom_keys: dict, alpha: float) -> Classifier:
    """In double, after five steps from one start on one batch."""
    torch.manual_seed(0)
    model = Classifier().double()
    images, labels = torch.randn(6, 3, 16, 16).double(), torch.arange(6) % 5
    optimizer = sgd(model, custom_keys)
    for _ in range(5):
        penalty = sum(p.square().sum() for p in model.pooling_parameters())
        optimizer.update_params(F.cross_entropy(model(images), labels) + alpha * penalty)
    return model


def test_penalty_is_weight_decay():
    in_loss = trained({}, ALPHA).state_dict()
    in_optimizer = trained(CUSTOM_KEYS, 0.0).state_dict()
    for key, value in in_loss.items():
        torch.testing.assert_close(in_optimizer[key], value, rtol=1e-9, atol=1e-12, msg=key)


def test_penalty_matters():
    """The proof above would hold of two networks without any penalty, too."""
    with_penalty, without = trained(CUSTOM_KEYS, 0.0), trained({}, 0.0)
    for p, q in zip(with_penalty.pooling_parameters(), without.pooling_parameters(), strict=True):
        assert p.norm() < 0.95 * q.norm()


def test_key_finds_these_parameters_and_no_other():
    model = Classifier()
    penalised = {id(p) for p in model.pooling_parameters()}
    assert len(penalised) == 4
    groups = sgd(model, CUSTOM_KEYS).optimizer.param_groups
    for group in groups:
        expected = 2 * ALPHA + DECAY if id(group['params'][0]) in penalised else DECAY
        assert group['weight_decay'] == pytest.approx(expected, rel=1e-12)
    assert sum(len(g['params']) for g in groups) == len(list(model.parameters()))
