"""How a model is run: device, precision, memory format, folding, compilation."""
from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse as fuse_traced

from mmattn.errors import UserError
from mmattn.inference import prepare as fuse

AMP_TYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


@dataclass(frozen=True)
class Treatment:
    """How a model is run.

    Args:
        device: as torch has it.
        amp: 'bfloat16' or 'float16' for autocast, None for the precision of the weights.
        channels_last: store weights and inputs channels last.
        fuse: fold BatchNorm into convolutions (inference only).
        compile: torch.compile.
        foreign: the model is of another code base: it is folded by tracing, as its classes are not known.
    """

    device: str = 'cpu'
    amp: str | None = None
    channels_last: bool = False
    fuse: bool = False
    compile: bool = False
    foreign: bool = False

    @property
    def name(self) -> str:
        names = [self.amp and f'{self.amp} autocast', self.channels_last and 'channels_last', self.fuse and 'folded',
                 self.compile and 'compiled']
        return ', '.join(name for name in names if name) or 'as it comes'

    def within(self, mode: str) -> Treatment:
        """What of it applies in a mode, 'infer' or 'train': nothing is folded in training."""
        return replace(self, fuse=self.fuse and mode == 'infer')

    def prepare(self, model: nn.Module, training: bool) -> nn.Module:
        """A model on the device, ready to run; the given one stays as it is.

        Raises:
            UserError: it cannot be treated so.
        """
        model = copy.deepcopy(model).train(training)
        if self.fuse:
            try:
                model = fuse_traced(model) if self.foreign else fuse(model)
            except Exception as error:  # noqa: BLE001  tracing may stumble over anything
                raise UserError(f'cannot be folded ({type(error).__name__})') from error
        model = model.to(self.device)
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)
        return torch.compile(model) if self.compile else model

    def inputs(self, shapes: list[tuple[int, ...]], seed: int = 0) -> Tensor | list[Tensor]:
        """Random inputs of these shapes: one tensor, or a list where there are several shapes."""
        generator = torch.Generator().manual_seed(seed)
        tensors = [torch.randn(shape, generator=generator).to(self.device) for shape in shapes]
        if self.channels_last:
            tensors = [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]
        return tensors if len(tensors) > 1 else tensors[0]

    def autocast(self) -> AbstractContextManager:
        if self.amp is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, AMP_TYPES[self.amp])

    def synchronize(self) -> None:
        if torch.device(self.device).type == 'cuda':
            torch.cuda.synchronize(self.device)


def prefers_channels_last(model: nn.Module, inputs: Tensor | list[Tensor]) -> bool:
    """Whether most of a model's convolutions give maps in channels_last format for inputs in the default one."""
    votes = []

    def vote(_module, _inputs, out: Tensor) -> None:
        if out.dim() == 4 and out.shape[2:].numel() > 1:  # a map of one position is stored both ways
            votes.append(out.is_contiguous(memory_format=torch.channels_last) and not out.is_contiguous())

    hooks = [m.register_forward_hook(vote) for m in model.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.inference_mode():
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return 2 * sum(votes) > len(votes)
