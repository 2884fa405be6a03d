"""How a model is run: device, precision, memory format, preparation, memory of the process, compilation."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval_for_single_model
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse as fold_traced
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn import ops
from mmattn.engine.fold_norms import fold_norms_in_training
from mmattn.engine.process import keep_freed_memory
from mmattn.errors import UserError, kind_and_text
from mmattn.inference import prepare

AMP_TYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}
# Inference; forward and backward; the same with BatchNorm in eval mode, as detectors are fine-tuned.
MODES = ('infer', 'train', 'finetune')
# What `mmattn.prepare` does, by the names of the arguments that switch it on and off.
PREPARATION = tuple(inspect.signature(prepare).parameters)[1:]


@dataclass(frozen=True)
class Treatment:
    """How a model is run. What is not set is the default, as published.

    Args:
        device: Device as PyTorch names it.
        amp: Type of autocast, 'bfloat16' or 'float16'; None: the precision of the weights.
        channels_last: Whether weights and inputs are stored channels last.
        prepared: Whether inference runs on a copy made by `mmattn.prepare`; foreign code has its norms folded by
            torch.fx.
        fold_norms: Whether norms in eval mode are folded in the forward pass of fine-tuning, by mmengine's
            efficient_conv_bn_eval.
        keep_memory: Whether the process keeps freed memory for the next feature maps, as the command-line tools do.
        compile: Whether the model goes through torch.compile.
        foreign: Whether the model is of another code base.
        without: Parts of `mmattn.prepare` (see PREPARATION), names of `mmattn.ops.faster_ways()` and 'keep_memory' that
            are switched off, to measure what each gains.
    """

    device: str = 'cpu'
    amp: str | None = None
    channels_last: bool = False
    prepared: bool = False
    fold_norms: bool = False
    keep_memory: bool = False
    compile: bool = False
    foreign: bool = False
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        names = [
            self.amp and f'{self.amp} autocast',
            self.channels_last and 'channels_last',
            self.prepared and ('folded' if self.foreign else 'prepared'),
            self.fold_norms and 'norms folded',
            self.keep_memory and 'memory kept',
            self.compile and 'compiled',
            self.without and f'without {" and ".join(self.without)}',
        ]
        return ', '.join(name for name in names if name) or 'default'

    @property
    def on_cpu(self) -> bool:
        return torch.device(self.device).type == 'cpu'

    def within(self, mode: str) -> Treatment:
        """What of it applies in one of MODES. A prepared model of ours has its own memory format."""
        prepared = self.prepared and mode == 'infer'
        return replace(
            self,
            prepared=prepared,
            fold_norms=self.fold_norms and mode == 'finetune',
            channels_last=self.channels_last and (self.foreign or not prepared),
        )

    def parts(self) -> list[str]:
        """What `without` can switch off under this treatment."""
        return [
            *(PREPARATION if self.prepared else ()),
            *(['keep_memory'] if self.keep_memory else ()),
            *ops.faster_ways(),
        ]

    def set_process(self) -> None:
        """Sets what belongs to the process; for a process that does nothing else."""
        if self.keep_memory and 'keep_memory' not in self.without:
            keep_freed_memory()
        ops.set_faster(tuple(way for way in ops.faster_ways() if way not in self.without))

    def apply(self, model: nn.Module, mode: str) -> Any:
        """A copy of a model on the device, ready to run in `mode`.

        Raises:
            UserError: It cannot be treated so.
        """
        treated: Any = copy.deepcopy(model).to(self.device)
        treated.train(mode != 'infer')  # which returns nothing in some of mmdet's backbones
        if mode == 'finetune':
            for module in treated.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        if self.prepared:
            treated = (
                self._folded(fold_traced, treated)
                if self.foreign
                else prepare(treated, **{part: part not in self.without for part in PREPARATION})
            )
        if self.fold_norms:
            self._folded(
                turn_on_efficient_conv_bn_eval_for_single_model if self.foreign else fold_norms_in_training, treated
            )
        if self.channels_last:
            treated = treated.to(memory_format=torch.channels_last)
        return torch.compile(treated) if self.compile else treated

    @staticmethod
    def _folded(fold: Callable[[nn.Module], Any], model: nn.Module) -> Any:
        try:
            return fold(model)
        except Exception as error:  # noqa: BLE001  a trace may stumble over anything
            raise UserError(f'cannot be folded ({kind_and_text(error)})') from error

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


def runs_channels_last(model: nn.Module, inputs: Tensor | list[Tensor]) -> bool:
    """Whether most convolutions of a model return channels_last feature maps for inputs in the default format."""
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
