"""Splits a data set into a training and a validation part: by a seed, by class, copies on one side only.

Images are dealt out by the greedy rule of iterative stratification (Sechidis et al., On the Stratification of
Multi-Label Data, 2011): those with the rarest class first, each to the part that lacks most of this class.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.data.text import few
from mmattn.errors import UserError, one_line
from mmattn.files import write_json

FORMAT = 1


@dataclass(frozen=True)
class Split:
    """Names of the images of each part.

    Args:
        train: Names of the training images.
        val: Names of the validation images.
        notes: What is to be said of it, in one line each.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)


def split(
    names: Sequence[str], classes: Sequence[Sequence[Hashable]], groups: Sequence[Hashable], share: float, seed: int
) -> Split:
    """Deals images out to training and validation.

    Args:
        names: Name of each image.
        classes: Class of each object of each image.
        groups: Group of each image; a group is on one side as a whole.
        share: Share of the images, and of the objects of each class, for validation, between 0 and 1.
        seed: Seed of the order in which images are dealt out.

    Raises:
        UserError: There are fewer than two groups, so that there is nothing to validate with.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    if len(members) < 2:
        why = 'all images are copies of one' if len(names) > 1 else 'there is one image'
        raise UserError(
            f'{why}, so that nothing is left to validate with; add images, or give validation data of '
            'their own (a folder val/ beside train/)'
        )
    units = list(members.values())
    # The seed alone decides, not the order in which a file system lists the images.
    units.sort(key=lambda unit: min(names[index] for index in unit))
    random.Random(seed).shuffle(units)
    counts = [Counter(each for index in unit for each in set(classes[index])) for unit in units]
    val = _choose(units, counts, share)
    chosen = {index for unit in val for index in units[unit]}
    return Split(
        train=tuple(name for index, name in enumerate(names) if index not in chosen),
        val=tuple(name for index, name in enumerate(names) if index in chosen),
        notes=tuple(_notes(units, counts, val)),
    )


def _choose(units: Sequence[Sequence[int]], counts: Sequence[Counter], share: float) -> set[int]:
    """Numbers of the units for validation."""
    total = _total(counts)
    # Both sides keep an image of each class that has two, and there is one image at least on either side.
    room = max(share * sum(map(len, units)), 1)
    # Kept up to date rather than counted anew for each class, of which there may be thousands.
    remaining, held = Counter(total), Counter[Hashable]()
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for unit, count in enumerate(counts):
        for each in count:
            holders[each].append(unit)
    left = dict.fromkeys(range(len(units)))
    val: set[int] = set()
    while remaining:
        rarest = min(remaining, key=lambda each: (remaining[each], str(each)))
        need = share * total[rarest] if total[rarest] > 1 else 0
        for unit in holders[rarest]:
            if unit not in left:
                continue
            size, has = counts[unit][rarest], held[rarest]
            goes = need > 0 and (has == 0 and size < total[rarest] or has + size / 2 <= need)
            if goes and len(val) < len(units) - 1:
                val.add(unit)
                held.update(counts[unit])
                room -= len(units[unit])
            del left[unit]
            remaining.subtract(counts[unit])
        remaining = +remaining  # without the classes that have no unit left
    for unit in left:  # without objects
        if room - len(units[unit]) / 2 >= 0 and len(val) < len(units) - 1:
            val.add(unit)
            room -= len(units[unit])
    return val or {min(range(len(units)), key=lambda unit: len(units[unit]))}


def _total(counts: Iterable[Counter]) -> Counter:
    total: Counter[Hashable] = Counter()
    for count in counts:
        total.update(count)
    return total


def _notes(units: Sequence[Sequence[int]], counts: Sequence[Counter], val: set[int]) -> list[str]:
    notes = []
    copies = sum(len(unit) - 1 for unit in units)
    if copies:
        notes.append(
            f'{copies} image{"s are copies" if copies > 1 else " is a copy"} of another, exactly or nearly; '
            'copies are in the same part'
        )
    total, held = _total(counts), _total(counts[unit] for unit in val)
    alone = [str(each) for each in total if not held[each]]
    if alone:
        notes.append(f'no image to validate {few(sorted(alone))}: there are too few')
    return notes


def write_split(parts: Split, path: str | Path, seed: int, share: float) -> None:
    """Writes a split as JSON, which `read_split` reads and a person can change.

    Args:
        parts: The split.
        path: Path of the file.
        seed: Seed that it was made by.
        share: Share for validation that it was made by.
    """
    write_json(dict(format=FORMAT, seed=seed, val_share=share, train=parts.train, val=parts.val), path)


def read_split(path: str | Path, names: Sequence[str], otherwise: str = 'split anew with --force') -> Split:
    """Reads a split for the images of a data set.

    Args:
        path: Path of the file.
        names: Names of the images that there are.
        otherwise: What to do if not correct the file, for the messages.

    Raises:
        UserError: The file cannot be read, or names other images than there are.
    """
    try:
        content = json.loads(Path(path).read_text('utf-8'))
        train, val = (tuple(content[part]) for part in ('train', 'val'))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{path}' is no split ({one_line(error)}); correct it, or {otherwise}") from error
    known = set(names)
    strange = [name for name in (*train, *val) if name not in known]
    twice = [name for name, count in Counter((*train, *val)).items() if count > 1]
    missing = known.difference(train, val)
    for found, what in ((strange, 'are missing now'), (twice, 'are in it twice'), (sorted(missing), 'are not in it')):
        if found:
            raise UserError(
                f"the split '{path}' does not fit the data: {len(found)} images {what} ({found[0]}"
                f'{", …" * (len(found) > 1)}); correct it, or {otherwise}'
            )
    if not train or not val:
        raise UserError(f"the split '{path}' has no image to {'train' if not train else 'validate'} with; correct it")
    return Split(train, val)
