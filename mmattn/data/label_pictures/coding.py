"""Coding of label pictures of strangers: which value or colour is which class, found out from all pictures together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmattn.data.label_pictures.from_objects import BACKGROUND, IGNORED
from mmattn.data.label_pictures.palette import BLACK, VOC_LABELS, VOID, Colour, packed, unpacked, voc_colour
from mmattn.data.label_pictures.raw import DARK, LIGHT, OTHERS, Content, Raw
from mmattn.data.report import share
from mmattn.data.text import few

BACKGROUND_NAME = 'background'
# Grey value from which a pixel of a mask is of the object, and the least number of tones of smoothed masks.
_THRESHOLD, _TONES = 128, 16
# Values below this, or half of which occur, are numbers of classes; others are grey tones.
_NUMBERS = 34
# Of more grey tones than these, of which two hold this share of all pixels, the others are smoothed edges.
_SMOOTHED, _HELD = 20, 0.9
# Values beyond a list of names that this share of all pixels has at most are mistakes.
_STRAY = 0.01
# Of more colours than these, those of a smaller share of all pixels are taken for smoothed edges.
_MANY, _RARE, _EDGES = 32, 1e-3, 0.05


@dataclass(frozen=True)
class Named:
    """A class of a list of names.

    Args:
        name: The name.
        value: Value of its pixels; None where the list does not say.
        colour: Colour of its pixels as one number; None where the list does not say.
    """

    name: str
    value: int | None = None
    colour: int | None = None


@dataclass(frozen=True)
class Coding:
    """How pixels become labels.

    Args:
        labels: Label of each value, or of each colour as one number; others are ignored.
        classes: Names of the classes, in the order of their labels.
        palette: Colour of each class.
        colours: Whether the pixels are taken as colours.
        mask: Whether all light grey tones are label 1 and all dark ones 0.
        notes: Remarks on how it was found, a sentence each.
        doubts: What is doubtful: kinds of problems, and the detail of each.
    """

    labels: Mapping[int, int]
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    colours: bool = False
    mask: bool = False
    notes: tuple[str, ...] = ()
    doubts: tuple[tuple[str, str], ...] = field(default=())

    def apply(self, raw: Raw) -> np.ndarray:
        """Labels of a picture, (H, W), uint8.

        Args:
            raw: The picture, one of those that the coding was found from.
        """
        if self.mask:
            return (raw.pixels >= _THRESHOLD).astype(np.uint8)
        pixels = raw.as_colours() if self.colours else raw.pixels
        keys = np.array(sorted(self.labels), np.int32)
        labels = np.array([self.labels[key] for key in keys.tolist()], np.uint8)
        places = np.searchsorted(keys, pixels).clip(max=len(keys) - 1)
        return np.where(keys[places] == pixels, labels[places], np.uint8(IGNORED))

    def count(self, content: Content) -> dict[int, int]:
        """Number of pixels by label.

        Args:
            content: What the picture holds.
        """
        counts = content.counts if self.mask or not self.colours else _colour_counts(content)
        labels: Counter[int] = Counter()
        for value, pixels in counts.items():
            labels[int(value >= _THRESHOLD) if self.mask else self.labels.get(value, IGNORED)] += pixels
        return dict(sorted(labels.items()))


class CodingError(ValueError):
    """Pictures that are no label pictures; the message says why and what to do, to follow their path."""


def find_coding(pictures: Mapping[str, Content], names: Sequence[Named] = ()) -> Coding:
    """Finds out what the values or colours of label pictures mean.

    Args:
        pictures: What each picture of the data set holds, by its name for messages.
        names: Names of the classes, where the data set has a list; the order is that of the labels.

    Raises:
        CodingError: The pictures have too many values or colours, or one alone.
    """
    contents = list(pictures.values())
    if _are_masks(contents):
        return _masks(names, contents)
    colours = any(content.colours for content in contents) or _palettes_differ(contents)
    colours = colours or _has_palette_of(names, _palette(contents))
    totals: Counter[int] = Counter()
    for content in contents:
        totals.update(_colour_counts(content) if colours else content.counts)
    coding = _of_colours(totals, names) if colours else _of_values(totals, names, pictures)
    if len(coding.classes) < 2:
        raise CodingError(
            'have the same class everywhere; two are needed: give the other pixels, the background, another value'
        )
    return coding


def _are_masks(contents: Sequence[Content]) -> bool:
    """Whether all are dark and light, as masks of 0 and 255 are, and not labels and 255 for what is ignored."""
    values = {value for content in contents for value in content.counts}
    if values == {0, IGNORED}:
        return not any(content.colours or content.palette for content in contents)
    # JPEG and smoothing leave many tones, some nearly white, which numbers of classes are not.
    smoothed = len(values) > _TONES and any(LIGHT <= value < IGNORED for value in values)
    return smoothed and (all(content.is_mask() for content in contents) or _are_smoothed(contents))


def _are_smoothed(contents: Sequence[Content]) -> bool:
    """Whether a dark and a light tone hold most pixels of all pictures, and each of many others few of them."""
    if any(content.colours or content.palette for content in contents):
        return False
    totals = _totals(contents)
    (first, _), (second, _), (_, third) = totals.most_common(3)
    held = (totals[first] + totals[second]) / totals.total()
    return (
        len(totals) > _SMOOTHED
        and min(first, second) <= DARK
        and LIGHT <= max(first, second) <= IGNORED
        and held >= _HELD
        and third <= _STRAY * totals.total()
    )


def _totals(contents: Iterable[Content]) -> Counter[int]:
    totals: Counter[int] = Counter()
    for content in contents:
        totals.update(content.counts)
    return totals


def _masks(names: Sequence[Named], contents: Sequence[Content]) -> Coding:
    found = [each.name for each in names]
    classes = (found[0], found[1]) if len(found) == 2 else (BACKGROUND_NAME, found[0] if len(found) == 1 else 'class 1')
    note = 'the label pictures are masks: light pixels are the object, dark ones the background'
    totals = _totals(contents)
    doubts: tuple[tuple[str, str], ...] = ()
    if len(totals) > _SMOOTHED and not all(content.is_mask() for content in contents):
        between = totals.total() - sum(pixels for _, pixels in totals.most_common(2))
        doubts = (
            (
                f'masks that look smoothed (grey tones from {_THRESHOLD} on are the object)',
                f'{len(totals)} grey tones, {share(between, totals.total())} of the pixels between dark and light',
            ),
        )
    return Coding({0: 0, IGNORED: 1}, classes, _voc(2), mask=True, notes=(note,), doubts=doubts)


def _palettes_differ(contents: Sequence[Content]) -> bool:
    """Whether a number has different colours in different indexed pictures, so that colours are what counts."""
    found: dict[int, int] = {}
    return any(
        found.setdefault(number, colour) != colour for content in contents for number, colour in content.palette.items()
    )


def _has_palette_of(names: Sequence[Named], palette: Mapping[int, int]) -> bool:
    """Whether the colours of indexed pictures are those of the list of names, which then says more than the numbers."""
    named = {each.colour for each in names if each.colour is not None}
    return 2 * len(named & set(palette.values()) - {BLACK}) >= max(1, len(set(palette.values()) - {BLACK}))


def _palette(contents: Sequence[Content]) -> dict[int, int]:
    return {number: colour for content in contents for number, colour in content.palette.items()}


def _colour_counts(content: Content) -> dict[int, int]:
    """Number of pixels of each colour."""
    if content.colours:
        return dict(content.counts)
    counts: Counter[int] = Counter()
    for value, pixels in content.counts.items():
        counts[OTHERS if value == OTHERS else content.palette.get(value, min(value, 255) * 0x010101)] += pixels
    return dict(counts)


def _of_values(totals: Counter[int], names: Sequence[Named], pictures: Mapping[str, Content]) -> Coding:
    palette = _palette(list(pictures.values()))
    doubts = _strays(totals, names, pictures)
    strays = _beyond(totals, names) if doubts else set()
    values = sorted(totals.keys() - strays - {OTHERS})
    plain = [value for value in values if value != IGNORED]
    numbers = bool(plain) and plain[-1] < max(_NUMBERS, 2 * len(plain), len(names) + 1)
    if len(values) > IGNORED or OTHERS in totals:
        raise CodingError(
            f'have more than {IGNORED} values, up to {values[-1]}: they are numbers of objects, or no label pictures; '
            'classes are needed'
        )
    if numbers:
        values = plain  # 255 beside numbers is what is ignored
        doubts += _mixed(pictures)
    by_value = {each.value: each.name for each in names if each.value is not None}
    if by_value:
        if BACKGROUND in values:
            by_value.setdefault(BACKGROUND, BACKGROUND_NAME)
        unnamed = [value for value in values if value not in by_value]
        if len(unnamed) == len(values):
            raise CodingError(
                f'have the values {few(map(str, values))}, of which the list of names has none; correct it'
            )
        if unnamed:
            doubts.append(('values without a name (their pixels are ignored)', few(map(str, unnamed))))
        order = sorted(by_value)
        labels, classes = _merged(order, [by_value[value] for value in order])
    else:
        order, names_in_order = _ordered(values, [each.name for each in names], numbers, doubts)
        labels, classes = _merged(order, names_in_order)
    colours = [unpacked(palette[value]) for value in order if value in palette]
    return Coding(
        labels,
        tuple(classes),
        tuple(colours) if len(colours) == len(classes) == len(set(colours)) else _voc(len(classes)),
        doubts=tuple(doubts),
    )


def _beyond(totals: Counter[int], names: Sequence[Named]) -> set[int]:
    """Values that are no numbers of named classes, of which the background may be one more."""
    return {value for value in totals if value > len(names) and value != IGNORED}


def _strays(totals: Counter[int], names: Sequence[Named], pictures: Mapping[str, Content]) -> list[tuple[str, str]]:
    """Pixels that have values beyond a list of names which fits all others: a doubt for each picture."""
    beyond = _beyond(totals, names)
    named = totals.keys() - beyond - {IGNORED, OTHERS}
    if any(each.value is not None for each in names) or len(named) < 2 or not names:
        return []
    if sum(totals[value] for value in beyond) > _STRAY * totals.total():
        return []
    doubts = []
    for name, content in pictures.items():
        found = sorted(beyond & content.counts.keys())
        if found:
            pixels = sum(content.counts[value] for value in found)
            detail = f'{name}: {few(map(str, found))} ({pixels} pixel{"s" if pixels != 1 else ""})'
            doubts.append(('values beyond the list of names (their pixels are ignored)', detail))
    return doubts


def _mixed(pictures: Mapping[str, Content]) -> list[tuple[str, str]]:
    """A doubt where some pictures are masks of 0 and 255 among numbers of classes, so that 255 may be an object."""
    masks = [name for name, content in pictures.items() if content.counts.keys() == {BACKGROUND, IGNORED}]
    others = [name for name, content in pictures.items() if content.counts.keys() - {BACKGROUND, IGNORED}]
    # Where 255 stands for ignored pixels, it does so beside other classes, too.
    if not masks or not others or any(IGNORED in pictures[name].counts for name in others):
        return []
    return [
        (
            'masks of 0 and 255 among label pictures of other values (255 is ignored)',
            f'{few(masks, 3)}; others, as {few(others, 2)}, have numbers of classes; write all alike',
        )
    ]


def _ordered(
    values: list[int], names: list[str], numbers: bool, doubts: list[tuple[str, str]]
) -> tuple[list[int], list[str]]:
    """Values in the order of their labels, and names of the classes, by a list of names without values, if any."""
    if names and numbers and values[-1] < len(names):
        return list(range(len(names))), names
    if names and numbers and values[0] == BACKGROUND and values[-1] == len(names):
        return list(range(len(names) + 1)), [BACKGROUND_NAME, *names]
    if names and len(names) == len(values):
        return values, names
    if names:
        doubts.append(
            (
                'lists of names that do not fit the label pictures (passed over)',
                f'{len(names)} names, values {few(map(str, values))}',
            )
        )
    alone = len(values) == 2 and values[0] == BACKGROUND
    return values, [BACKGROUND_NAME if alone and not value else f'class {value}' for value in values]


def _of_colours(totals: Counter[int], names: Sequence[Named]) -> Coding:
    total, notes, doubts = totals.total(), [], []
    found = sorted(totals.keys() - {OTHERS, VOID} or {VOID})
    by_colour = {each.colour: each.name for each in names if each.colour is not None}
    if by_colour:
        if BLACK in totals and BLACK not in by_colour:
            by_colour = {BLACK: BACKGROUND_NAME, **by_colour}
        unnamed = sorted(totals.keys() - by_colour.keys() - {VOID}, key=lambda colour: -totals[colour])
        if len(unnamed) == len(found):
            raise CodingError(
                f'have the colours {_colours(found)}, of which the list of names has none; correct the list'
            )
        if unnamed:
            doubts.append(('colours without a name (their pixels are ignored)', _shares(unnamed, totals)))
        order, classes = list(by_colour), list(by_colour.values())
    else:
        order = _ordered_colours(_without_edges(found, totals, doubts))
        classes = _colour_names(order, [each.name for each in names], doubts)
        notes.append(
            'the label pictures are colour-coded: '
            + few([f'{name} is {unpacked(colour)}' for name, colour in zip(classes, order)], 4)
        )
    if VOID in totals and VOID not in order:
        notes.append(f'{share(totals[VOID], total)} of the pixels have the colour of borders, and are ignored')
    labels, classes = _merged(order, classes)
    first = {label: unpacked(colour) for colour, label in reversed(labels.items())}
    palette = tuple(first[label] for label in range(len(classes)))
    return Coding(labels, tuple(classes), palette, True, notes=tuple(notes), doubts=tuple(doubts))


def _merged(order: Sequence[int], names: Sequence[str]) -> tuple[dict[int, int], list[str]]:
    """Labels of values or colours, of which those of one name have one label, and the names of the labels."""
    classes = list(dict.fromkeys(names))
    return {each: classes.index(name) for each, name in zip(order, names)}, classes


def _without_edges(found: list[int], totals: Counter[int], doubts: list[tuple[str, str]]) -> list[int]:
    """The colours that are classes, and not mixtures of these along smoothed edges."""
    total = totals.total()
    if len(found) <= _MANY and OTHERS not in totals:
        return found
    kept = [colour for colour in found if totals[colour] >= _RARE * total]
    rare = total - sum(totals[colour] for colour in kept)
    if rare > _EDGES * total or len(kept) > IGNORED:
        raise CodingError(
            f'have {len(found)} colours or more, and not a few of them for most pixels: they are no label pictures, or '
            'JPEG has mixed their colours; export them as PNG'
        )
    if rare:
        doubts.append(
            (
                'colours of few pixels (taken for smoothed edges, and ignored)',
                f'{len(found) - len(kept)} colours, {share(rare, total)} of the pixels',
            )
        )
    return kept


def _ordered_colours(colours: list[int]) -> list[int]:
    """Black first; the others by Pascal VOC's labels where all are VOC's, which few other sets of colours are."""
    if all(each in VOC_LABELS for each in colours):
        return sorted(colours, key=lambda colour: VOC_LABELS[colour])
    return sorted(colours)


def _colour_names(order: list[int], names: list[str], doubts: list[tuple[str, str]]) -> list[str]:
    if names and all(colour in VOC_LABELS and VOC_LABELS[colour] < len(names) for colour in order):
        # Labels and names stay those of VOC, also of classes that do not occur.
        order[:] = [packed(voc_colour(label)) for label in range(len(names))]
        return names
    if names:
        doubts.append(
            (
                'lists of names without colours (passed over)',
                f"{few(names)}; write a line 'name red green blue' for each class",
            )
        )
    return [BACKGROUND_NAME if colour == BLACK else f'class {label}' for label, colour in enumerate(order)]


def _voc(count: int) -> tuple[Colour, ...]:
    return tuple(voc_colour(label) for label in range(count))


def _colours(colours: Iterable[int]) -> str:
    return few([str(unpacked(colour)) for colour in colours])


def _shares(colours: Sequence[int], totals: Counter[int]) -> str:
    return few(
        [
            f'{unpacked(colour) if colour != OTHERS else "others"} ({share(totals[colour], totals.total())})'
            for colour in colours
        ]
    )
