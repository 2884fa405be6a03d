"""Checks that a network computes the same on a device as on a CPU, and runs there as it should, for ``gpu.py``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# Relative errors, in the norm of the outputs, that a correct network stays below.
FLOAT32_TOLERANCE = 1e-4
MIN_COSINE = 0.8  # of the gradients under autocast and those in float32


def same_as_on_the_cpu(net: nn.Module, x: Tensor, device: torch.device, compiler: str) -> None:
    with torch.no_grad():
        expected, out = net.eval()(x), copy.deepcopy(net).to(device)(x.to(device)).cpu()
    within('relative error', relative_error(out, expected), FLOAT32_TOLERANCE)


def gradients_as_on_the_cpu(net: nn.Module, x: Tensor, device: torch.device, compiler: str) -> None:
    error = relative_error(gradient(net.eval().to(device), x.to(device)).cpu(), gradient(net.cpu(), x))
    within('relative error', error, 1e-2)  # a ReLU's zero falls on either side


def channels_last(net: nn.Module, x: Tensor, device: torch.device, compiler: str) -> None:
    net, x = net.eval().to(device), x.to(device)
    with torch.no_grad():
        expected = net(x)
        out = net.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    within('relative error', relative_error(out, expected), FLOAT32_TOLERANCE)


def autocast_step(dtype: torch.dtype) -> Callable[..., None]:
    def check(net: nn.Module, x: Tensor, device: torch.device, compiler: str) -> None:
        net, x = net.train().to(device), x.to(device)
        exact = gradient(copy.deepcopy(net), x)
        scaler = gradient_scaler(device)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
        with torch.autocast(device.type, dtype):
            loss = loss_of(net(x))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        found = flat_gradient(net)
        if not found.isfinite().all():
            raise AssertionError('gradients are not finite')
        cosine = torch.cosine_similarity(found, exact, 0).item()
        within('1 - cosine of the gradients', 1 - cosine, 1 - MIN_COSINE)
        scaler.step(optimizer)
        scaler.update()
        if not all(parameter.isfinite().all() for parameter in net.parameters()):
            raise AssertionError('weights after the step are not finite')

    return check


def compiled(net: nn.Module, x: Tensor, device: torch.device, compiler: str) -> None:
    torch._dynamo.reset()
    net, x = net.eval().to(device), x.to(device)
    with torch.no_grad():
        error = relative_error(torch.compile(net, fullgraph=True, backend=compiler)(x), net(x))
    within('relative error', error, 10 * FLOAT32_TOLERANCE)


CHECKS = {
    'outputs equal to the CPU, float32': same_as_on_the_cpu,
    'gradients equal to the CPU, float32': gradients_as_on_the_cpu,
    'channels last': channels_last,
    'training step, bfloat16': autocast_step(torch.bfloat16),
    'training step, float16 with GradScaler': autocast_step(torch.float16),
    'compiled in one graph': compiled,
}


def relative_error(value: Tensor, expected: Tensor) -> float:
    return ((value - expected).norm() / expected.norm()).item()


def within(what: str, value: float, limit: float) -> None:
    if not value <= limit:
        raise AssertionError(f'{what} is {value:.2g}, more than {limit:.2g}')


def loss_of(logits: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.float(), torch.arange(len(logits), device=logits.device))


def gradient(net: nn.Module, x: Tensor) -> Tensor:
    net.zero_grad()
    loss_of(net(x)).backward()
    return flat_gradient(net)


def flat_gradient(net: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def gradient_scaler(device: torch.device):
    scaler = getattr(torch.amp, 'GradScaler', None)
    return scaler(device.type, init_scale=2.0**8) if scaler else torch.cuda.amp.GradScaler(init_scale=2.0**8)


@contextmanager
def float32_throughout() -> Iterator[None]:
    """Without TF32, whose mantissa has 10 bits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
