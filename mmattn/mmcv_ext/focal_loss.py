"""Focal loss (arXiv:1708.02002) over sigmoids and over a softmax, in torch.

The signatures are those by which `mmcv/ops/focal_loss.py` calls the compiled operators: the
backward gets no gradient from above, the caller multiplies by it. The sigmoid form equals
torchvision's `sigmoid_focal_loss`, which has no separate backward.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmattn.mmcv_ext.precision import widen


def _class_weights(weight: Tensor, target: Tensor) -> Tensor | float:
    """The weight of each sample's class (N,), 1 for labels outside of the classes."""
    if not weight.numel():
        return 1.0
    inside = (target >= 0) & (target < len(weight))
    return torch.where(inside, weight[target.clamp(0, len(weight) - 1)], weight.new_ones(()))


def _one_hot(target: Tensor, classes: int) -> Tensor:
    """(N, classes), true at the sample's class; nowhere for labels outside of the classes."""
    return target[:, None] == torch.arange(classes, device=target.device)


@torch.no_grad()
def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Focal loss of each of C independent binary classifiers.

    Args:
        input: Logits (N, C).
        target: Labels (N,); one outside of 0..C-1, such as C, is background.
        weight: Weights of the classes (C,), or empty.
        output: (N, C), written in place.
        gamma: Exponent of the modulating factor.
        alpha: Weight of the positive class; the negative one has 1 - alpha.
    """
    x, weight = widen(input, weight)
    positive = alpha * torch.sigmoid(-x).pow(gamma) * -F.logsigmoid(x)
    negative = (1 - alpha) * torch.sigmoid(x).pow(gamma) * -F.logsigmoid(-x)
    loss = torch.where(_one_hot(target, x.shape[1]), positive, negative)
    output.copy_((loss.T * _class_weights(weight, target)).T)


@torch.no_grad()
def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """The derivatives of `sigmoid_focal_loss_forward` by the logits.

    Args:
        grad_input: (N, C), written in place.
        (others): As in `sigmoid_focal_loss_forward`.
    """
    x, weight = widen(input, weight)
    p, q = torch.sigmoid(x), torch.sigmoid(-x)
    positive = alpha * q.pow(gamma) * (gamma * p * F.logsigmoid(x) - q)
    negative = (1 - alpha) * p.pow(gamma) * (p - gamma * q * F.logsigmoid(-x))
    grad = torch.where(_one_hot(target, x.shape[1]), positive, negative)
    grad_input.copy_((grad.T * _class_weights(weight, target)).T)


def _true_class(softmax: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The probability of each sample's class and its logarithm, finite even for 0; both (N,)."""
    p = softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]
    return p, p.clamp(min=torch.finfo(torch.float32).tiny).log()


@torch.no_grad()
def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Focal loss of a softmax classifier.

    Args:
        input: Probabilities (N, C), the softmax having been taken.
        target: Labels (N,); a negative one is ignored.
        weight: Weights of the classes (C,), or empty.
        output: (N,), written in place.
        gamma: Exponent of the modulating factor.
        alpha: Weight of the loss.
    """
    softmax, weight = widen(input, weight)
    p, log_p = _true_class(softmax, target)
    loss = -alpha * (1 - p).pow(gamma) * log_p * _class_weights(weight, target)
    output.copy_(loss * (target >= 0))


@torch.no_grad()
def softmax_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """The derivatives of `softmax_focal_loss_forward` by the logits.

    Args:
        buff: (N,), written in place: the derivative by log p, times p's own share.
        grad_input: (N, C), written in place.
        (others): As in `softmax_focal_loss_forward`.
    """
    softmax, weight = widen(input, weight)
    p, log_p = _true_class(softmax, target)
    q = (1 - p).clamp(min=torch.finfo(torch.float32).tiny)  # 0 to a negative power is infinite
    by_log_p = alpha * (gamma * q.pow(gamma - 1) * p * log_p - q.pow(gamma))
    by_log_p = by_log_p * _class_weights(weight, target) * (target >= 0)
    buff.copy_(by_log_p)
    grad_input.copy_(by_log_p[:, None] * (_one_hot(target, softmax.shape[1]).to(p) - softmax))
