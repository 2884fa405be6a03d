"""MACs (multiply-adds, which papers call FLOPs), counted by PyTorch's own counter on any device, 'meta' included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

RULE = (
    'MACs (multiply-adds; papers call them FLOPs) of convolutions, linear layers and matrix products (attention), '
    'for one image, as the formulas of the modules have them, folded batches included (faster ways on a CPU may '
    'take fewer); biases, norms, activations, pooling, '
    'interpolation and products of single elements are not counted. Detectors: backbone, neck and RPN or dense '
    'head on all levels, box head on 1000 RoIs, mask head on 100 (on its own proposals where a network learns '
    'those); RoIAlign and what follows the heads is not counted. Segmentors: backbone, neck and decode head, without '
    'the auxiliary heads of the training'
)


def _mv(matrix: Sequence[int], *_, **__) -> int:
    return 2 * matrix[0] * matrix[1]


def _addmv(_, matrix: Sequence[int], *__, **___) -> int:
    return _mv(matrix)


def _dot(vector: Sequence[int], *_, **__) -> int:
    return 2 * vector[0]


# Products that FlopCounterMode leaves out; as there, an operation is two flops for each multiply-add.
MISSING = {torch.ops.aten.mv: _mv, torch.ops.aten.addmv: _addmv, torch.ops.aten.dot: _dot}


class MultiplyAdds:
    """Context manager that counts what runs inside it, without gradients.

    Args:
        modules: Modules whose share is wanted, by any name.

    Attributes:
        total: MACs of everything.
        modules: MACs of each of `modules`, of everything inside it, too, but not of other modules that it calls; 0
            where it did not run.
        ran: Names of the `modules` that ran, or of which a module inside did.
        running: Names of the `modules` that have begun to run and not ended, outermost first: after an error, where it
            was raised.
        used: Identities (``id``) of the parameters that something was computed with.

    Examples:
        >>> conv = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        >>> with MultiplyAdds({'conv': conv}) as count:
        ...     y = conv(torch.rand(1, 8, 10, 10))
        >>> count.total, count.modules
        (28800, {'conv': 28800})
    """

    def __init__(self, modules: Mapping[str, nn.Module] | None = None) -> None:
        self.modules = dict.fromkeys(modules or {}, 0)
        self.ran: set[str] = set()
        self.running: list[str] = []
        self.used: set[int] = set()
        self._watched = dict(modules or {})
        # By the name of each module, those to which its MACs count: itself, and those that it is inside of.
        self._outer = {
            name: [other for other, outer in self._watched.items() if any(inner is module for inner in outer.modules())]
            for name, module in self._watched.items()
        }
        self._shared = 0  # of the total, what the modules got
        self._counter = FlopCounterMode(display=False, custom_mapping=MISSING)
        self._parameters = _UsedParameters(self.used)
        self._no_grad = torch.no_grad()
        self._handles: list[RemovableHandle] = []

    @property
    def total(self) -> int:
        return self._counter.get_total_flops() // 2

    def __enter__(self) -> MultiplyAdds:
        for name, module in self._watched.items():
            self._watch(name, module)
        self._no_grad.__enter__()
        self._parameters.__enter__()
        self._counter.__enter__()
        return self

    def _watch(self, name: str, module: nn.Module) -> None:
        """By the modules inside too: mmdet calls the forward of many a module, which goes around its hooks."""
        depth = 0

        def start(*_) -> None:
            nonlocal depth
            if depth == 0:
                self._share()
                self.ran.add(name)
                self.running.append(name)
            depth += 1

        def stop(*_) -> None:
            nonlocal depth
            depth -= 1
            if depth == 0:
                self._share()
                self.running.remove(name)

        for inner in module.modules():
            self._handles += [inner.register_forward_pre_hook(start), inner.register_forward_hook(stop)]

    def _share(self) -> None:
        """Gives what was counted since the last call to the module that ran."""
        total = self.total
        for name in self._outer[self.running[-1]] if self.running else ():
            self.modules[name] += total - self._shared
        self._shared = total

    def __exit__(self, *exception) -> None:
        self._counter.__exit__(*exception)
        self._parameters.__exit__(*exception)
        self._no_grad.__exit__(*exception)
        for handle in self._handles:
            handle.remove()


class _UsedParameters(TorchDispatchMode):
    """Notes the parameters that operations get."""

    def __init__(self, used: set[int]) -> None:
        super().__init__()
        self.used = used

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.used.update(map(id, _parameters_in((args, *(kwargs or {}).values()))))
        return function(*args, **(kwargs or {}))


def _parameters_in(values: Sequence) -> Iterator[nn.Parameter]:
    for value in values:
        if isinstance(value, nn.Parameter):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _parameters_in(value)
