"""Differences between the keys and shapes of a state dict and those of a model, and either in a few words."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mmattn.errors import UserError, first_line, shortened

from .values import check_values

# A key inside a residual trunk: stage, block or none, and the module that it belongs to.
PLACE = re.compile(r'(?:backbone\.)?(?P<stage>layer\d+)\.(?:(?P<block>\d+)\.)?(?P<slot>[a-z]\w*)\.')
# What results do not depend on: files from before torch 0.4.1 have no counts of batches, mean and deviation of the
# images come from the config, and averaged weights count their steps.
HARMLESS = re.compile(r'num_batches_tracked$|^data_preprocessor\.|^(n_averaged|steps)$')
# How torch's load_state_dict begins the line for a tensor of another shape.
RESHAPED = re.compile(r'size mismatch for ([^:\s]+):')


@dataclass(frozen=True)
class Mismatch:
    """Where a state dict and a model differ.

    Args:
        missing: Keys that only the model has.
        unexpected: Keys that only the state dict has.
        reshaped: Keys whose tensors differ in shape.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.missing, *self.unexpected, *self.reshaped)

    def that_matters(self) -> Mismatch:
        """The differences on which results depend: without counts of batches and the mean of the images."""
        return Mismatch(
            *(
                tuple(k for k in keys if not HARMLESS.search(k))
                for keys in (self.missing, self.unexpected, self.reshaped)
            )
        )


def compare(state: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> Mismatch:
    """The keys of `state` against those of `model`, the state dict of a model."""
    return Mismatch(
        tuple(k for k in model if k not in state),
        tuple(k for k in state if k not in model),
        tuple(k for k in model if k in state and state[k].shape != model[k].shape),
    )


def fill(model: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> Mismatch:
    """Loads what fits of a state dict into a model, which may convert its keys of older versions.

    Args:
        model: Model that gets the weights.
        state: Weights by name.
        source: Path or address of their file, for messages.

    Returns:
        What was not loaded.

    Raises:
        UserError: The weights hold NaN or another kind of numbers than the model (see `check_values`), or the model
            cannot take a tensor for another reason than its name or shape.
    """
    check_values(model, state, source)
    found = []
    # called at the end, before shapes that differ are raised
    handle = model.register_load_state_dict_post_hook(lambda _, keys: found.append(keys))
    reshaped = ()
    try:
        model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # after everything that fits was loaded
        reshaped = tuple(RESHAPED.findall(str(error)))
        if not reshaped:
            raise UserError(f'the weights cannot be loaded into {type(model).__name__}: {first_line(error)}') from error
    finally:
        handle.remove()
    return Mismatch(tuple(found[-1].missing_keys), tuple(found[-1].unexpected_keys), reshaped)


def count_loaded(state: Mapping[str, Tensor], differences: Mismatch) -> int:
    """Number of the tensors of `state` on which results depend and that `fill` has loaded."""
    left_out = {*differences.unexpected, *differences.reshaped}
    return sum(key not in left_out and not HARMLESS.search(key) for key in state)


def prefixes(key: str) -> Iterator[str]:
    """'', 'a.' and 'a.b.' of a key 'a.b.c'."""
    yield ''
    for dot in re.finditer(r'\.', key):
        yield key[: dot.end()]


def prefix_that_fits(state: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> tuple[str, str, int]:
    """How the keys of a state dict become those of a model.

    Args:
        state: Weights by name.
        model: The state dict of a model.

    Returns:
        The prefix to cut off from the keys of `state`, the large child of the model ('backbone.') that they are then
        of, or '' for the whole, and the number of tensors that fit so; of prefixes that fit alike the first in `state`.
    """
    sizes = Counter(key.partition('.')[0] + '.' for key in model)
    # a few tensors of a small child fit those of any network
    children = ['', *(child for child, size in sizes.items() if 4 * size >= len(model))]
    counts: Counter[tuple[str, str]] = Counter()
    for key, tensor in state.items():
        for prefix in prefixes(key):
            for child in children:
                place = model.get(child + key[len(prefix) :])
                if place is not None and place.shape == tensor.shape:
                    counts[prefix, child] += 1
    fits = {
        (prefix, child): count for (prefix, child), count in counts.items() if not child or 2 * count >= sizes[child]
    }
    if not fits:
        return '', '', 0
    # of equal counts the whole model before a child of it
    (prefix, child), count = max(fits.items(), key=lambda item: (item[1], not item[0][1]))
    return prefix, child, count


def renamed(state: Mapping[str, Tensor], rename: Callable[[str], str | None]) -> dict[str, Tensor]:
    """A state dict with other keys, and with the versions of modules that a state dict of torch holds beside them.

    Args:
        state: Weights by name.
        rename: Function of a key that returns the new one, or None to leave the tensor out.
    """

    def entries(names: Iterable[str]) -> Iterator[tuple[str, str]]:
        return ((name, new) for name in names if (new := rename(name)) is not None)

    changed = OrderedDict((new, state[name]) for name, new in entries(state))
    versions = getattr(state, '_metadata', None)
    if isinstance(versions, Mapping):
        vars(changed)['_metadata'] = {
            new.removesuffix('.'): versions[name.removesuffix('.')]
            for name, new in entries(f'{key}.' if key else '' for key in versions)
        }
    return changed


def without_prefix(state: Mapping[str, Tensor], prefix: str | None) -> Mapping[str, Tensor]:
    """What of `state` lies under `prefix`, which may lack its last dot, with the prefix cut off."""
    if not prefix:
        return state
    prefix = f'{prefix.rstrip(".")}.'
    return renamed(state, lambda key: key[len(prefix) :] if key.startswith(prefix) else None)


def with_batch_counts(state: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` with BatchNorm's batch counts at zero where it has none: weights from before torch 0.4.1 have none."""
    counts = {
        k: torch.zeros_like(v)
        for k, v in model.items()
        if k.endswith('.num_batches_tracked')
        and k not in state
        and k.replace('num_batches_tracked', 'running_mean') in state
    }
    return {**state, **counts}


def first(keys: tuple[str, ...], most: int = 3) -> str:
    """The first keys, and whether there are more."""
    return ', '.join((*(shortened(key, 80) for key in keys[:most]), *('…' for _ in keys[most : most + 1])))


def outline(state: Mapping[str, Tensor]) -> str:
    """What a state dict of ours looks like: '4 stages of 3, 4, 6, 3 blocks with attn, depth_attn; 1000 classes'."""
    blocks: dict[str, set[str]] = {}
    slots = set()
    for key in state:
        match = PLACE.match(key)
        if match and match['block']:
            blocks.setdefault(match['stage'], set()).add(match['block'])
        if match and match['slot'] in ('attn', 'depth_attn'):
            slots.add(match['slot'])
    counts = ', '.join(str(len(blocks[stage])) for stage in sorted(blocks))
    stages = f'{len(blocks)} stages of {counts} blocks' if blocks else 'no residual stages'
    classes = f'{state["head.fc.weight"].shape[0]} classes' if 'head.fc.weight' in state else 'no classifier'
    return f'{stages}{" with " + ", ".join(sorted(slots)) if slots else ""}; {classes}'


def grouped(keys: tuple[str, ...], most: int = 6) -> list[str]:
    """`keys` in a few lines: counted by what is left of them without stage, block and number."""
    counts = Counter(_kind(key) for key in keys)
    lines = [f'{kind} ({count} tensor{"s" * (count > 1)})' for kind, count in counts.most_common(most)]
    rest = sum(counts.values()) - sum(count for _, count in counts.most_common(most))
    return lines + ([f'… and {rest} more'] if rest else [])


def _kind(key: str) -> str:
    parts = key.split('.')
    if len(parts) > 3 and parts[1].startswith('layer'):
        deep = parts[2].isdigit()
        return '.'.join([parts[0], 'layer*', *(('*', parts[3]) if deep else (parts[2],)), '*'])
    return '.'.join(parts[:-1])
