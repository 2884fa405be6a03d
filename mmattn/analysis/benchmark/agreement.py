"""Whether two models compute the same: gives one the weights of the other and compares their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf

import torch
from torch import Tensor, nn

from mmattn.weights.conversion import ATTENTION, OUR_BLOCK, SPATIAL, ConversionError, Layout, convert, recognise
from mmattn.weights.matching import compare, with_batch_counts

from .passes import tensors_of

# Of the outputs' standard deviation: what single precision leaves of the agreement of two deep networks.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Agreement:
    """Result of a comparison of outputs.

    Attributes:
        text: The result in words.
        difference: The largest difference over the standard deviation of the outputs; infinite: they differ in number
            or shape; None: they could not be compared.
    """

    text: str
    difference: float | None = None

    @property
    def differs(self) -> bool:
        return self.difference is not None and not self.difference <= TOLERANCE


def compare_outputs(ours: nn.Module, theirs: nn.Module, inputs: Tensor | list[Tensor]) -> Agreement:
    """Loads the weights of `theirs` into `ours`, and compares what both compute from `inputs` in eval mode.

    `ours` keeps these weights. Where they cannot be mapped the result says why.
    """
    try:
        ours.load_state_dict(_mapped(theirs.state_dict(), ours.state_dict()))
    except ConversionError as error:
        return Agreement(f'not compared: {error}')
    outputs = []
    for model in (ours, theirs):
        model.eval()
        with torch.inference_mode():
            outputs.append([tensor.double() for tensor in tensors_of(model(inputs))])
    if not any(outputs):
        return Agreement('not compared: neither returns a tensor')
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in outputs]
    if shapes[0] != shapes[1]:
        return Agreement(f'outputs compared: the shapes of ours are {shapes[0]}, those of theirs {shapes[1]}', inf)
    return max(map(_compare_tensors, *outputs), key=lambda agreement: (agreement.differs, agreement.difference))


def _compare_tensors(ours: Tensor, theirs: Tensor) -> Agreement:
    largest = (ours - theirs).abs().max().item()
    deviation = theirs.std(correction=0).item()
    return Agreement(
        f'outputs compared: max difference {largest:.2g}, of a standard deviation of {deviation:.2g}',
        largest / deviation if deviation else largest,
    )


def _mapped(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`theirs` with the keys of `ours`.

    Raises:
        ConversionError: no known layout leads from one to the other; says why the best does not.
    """
    mismatches = []
    for reading in _readings(theirs):
        try:
            state = with_batch_counts(reading(), ours)
        except ConversionError:
            continue
        mismatch = compare(state, ours)
        if not mismatch.keys:
            return state
        mismatches.append(mismatch)
    closest = min(mismatches, key=lambda mismatch: len(mismatch.keys))
    kind, keys = max(
        (
            ('only ours has', closest.missing),
            ('only theirs has', closest.unexpected),
            ('of another shape is', closest.reshaped),
        ),
        key=lambda group: len(group[1]),
    )
    more = f' and {len(keys) - 1} more' if len(keys) > 1 else ''
    raise ConversionError(f'the weights cannot be mapped, {kind} {keys[0]}{more}')


def _readings(theirs: Mapping[str, Tensor]) -> Iterator[Callable[[], dict[str, Tensor]]]:
    """Functions that each read `theirs` in another way: as it is, as a network, as one module of a block."""
    yield lambda: dict(theirs)
    yield lambda: convert(theirs, recognise(theirs))
    for tables, place in ((SPATIAL, 'conv2'), (ATTENTION, 'attn')):
        for table in tables:
            # A rule's template begins with the module's name in the block, or has none.
            for slot in ('', table.rules[0].theirs.partition('.')[0] + '.'):
                yield partial(_module, theirs, table.name, slot, f'{OUR_BLOCK.format(s=1, i=0)}{place}.')


def _module(theirs: Mapping[str, Tensor], layout: str, slot: str, place: str) -> dict[str, Tensor]:
    """The weights of one module, converted as those of a residual block in which it is called `slot`."""
    block = {f'layer1.0.{slot}{key}': value for key, value in theirs.items()}
    converted = convert(block, Layout.of(f'resnet+{layout}'))
    return {key.removeprefix(place): value for key, value in converted.items()}
