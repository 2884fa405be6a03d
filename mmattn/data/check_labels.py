"""Checks a dataset of semantic segmentation: images and label pictures, as mmsegmentation's datasets pair them."""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS

from mmattn.commands import command, installation
from mmattn.data.decode import decode_images
from mmattn.data.images import ImageLoader, look_for, read_in_time, read_size
from mmattn.data.label_pictures.balance import ALL_IGNORED, Balance
from mmattn.data.label_pictures.loading import MOST, LabelLoader, Tally
from mmattn.data.label_pictures.palette import unpacked
from mmattn.data.pipeline import label_backend, transforms_in
from mmattn.data.report import Report
from mmattn.data.text import few
from mmattn.engine.process import without_collecting
from mmattn.engine.quiet import without_hints
from mmattn.engine.types import type_name
from mmattn.errors import UserError, kind_and_text

# Files of a folder that are named where none of them is what is looked for.
_SAMPLE = 3
COLOURS = 'label pictures of colours, not of labels'
BEYOND = 'labels beyond the classes'
ONLY_MASKS = 'masks of 0 and 255, the ignore index'
# Grey tones are at least so high, and so far apart; other values are numbers of classes.
_TONE, _APART = 32, 8


def is_segmentation(dataset: dict) -> bool:
    """Whether the settings of a dataset are those of mmsegmentation, whose types have names that other libraries have.

    Args:
        dataset: Settings of the dataset, without wrappers.
    """
    kind, prefix = dataset.get('type'), dataset.get('data_prefix')
    library = (kind if isinstance(kind, str) else getattr(kind, '__module__', '')).partition('.')[0]
    steps = {type_name(step) for step in transforms_in(dataset.get('pipeline'))}
    if library == 'mmseg' or 'PackSegInputs' in steps:
        return True
    # mmdet has data sets of label pictures, too, for panoptic segmentation.
    return library != 'mmdet' and 'PackDetInputs' not in steps and isinstance(prefix, dict) and 'seg_map_path' in prefix


def check_segmentation(
    report: Report,
    dataset: dict,
    workers: int | None = None,
    *,
    loader: ImageLoader | None = ImageLoader(),  # noqa: B008  frozen
    seconds: float | None = None,
    images_left_out: bool = False,
) -> None:
    """Looks through images and label pictures, and adds to the report.

    Args:
        report: Report that problems, notes and the balance of the classes are added to.
        dataset: Settings of the dataset, whose own class finds the files and knows the classes.
        workers: Number of threads that read files; None: one for each CPU.
        loader: How images are decoded; None: they are not.
        seconds: Time after which nothing further is decoded, half of it for images and half for label pictures; None:
            everything is.
        images_left_out: Whether the run leaves out images that it cannot read.
    """
    seconds = None if seconds is None else seconds / 2
    built = _built(report, dataset)
    if built is None or not _places_there(report, built):
        return
    try:
        entries = built.load_data_list()
    except Exception as error:  # noqa: BLE001  a dataset of the user's own may raise anything
        report.problems.add('annotations that cannot be read', kind_and_text(error))
        return
    images = [Path(entry['img_path']) for entry in entries]
    report.images = len(images)
    if not images:
        report.problems.add('images missing', _why_no_images(built))
        return
    for path, times in Counter(images).items():
        if times > 1:
            report.problems.add('duplicated images', f'{path}, {times} times', doubtful=True)
    sizes = decode_images(
        report, list(dict.fromkeys(images)), workers, loader=loader, seconds=seconds, left_out=images_left_out
    )
    backend = label_backend(dataset)
    pairs = {Path(entry['seg_map_path']): image for entry, image in zip(entries, images) if entry.get('seg_map_path')}
    if backend is None or not pairs:
        report.notes.append('label pictures were not looked at: the pipeline has no LoadAnnotations')
        return
    labels = LabelLoader(backend, bool(built.reduce_zero_label), built.label_map)
    _check_pictures(report, built, pairs, sizes, labels, workers, seconds)


def _built(report: Report, dataset: dict) -> Any:
    """The dataset without its pipeline, its files not yet listed; None where it cannot be built."""
    if importlib.util.find_spec('mmseg') is None:
        raise UserError(
            f'{type_name(dataset)} is a dataset of mmseg, which is not installed; install everything with: '
            f'{installation("mmseg")}'
        )
    with without_collecting(), without_hints():
        importlib.import_module('mmseg.datasets')
    kind = dataset.get('type')
    if isinstance(kind, str) and '.' not in kind:
        kind = f'mmseg.{kind}'
    try:
        built = DATASETS.build({**dataset, 'type': kind, 'pipeline': [], 'lazy_init': True})
        if isinstance(built.metainfo.get('classes'), str):  # mmengine only warns where it is no file with names
            raise ValueError(f"no file '{built.metainfo['classes']}' with the names of the classes")
        return built
    except Exception as error:  # noqa: BLE001  mmsegmentation raises many kinds for settings that it cannot use
        report.problems.add('settings that the data set cannot read', kind_and_text(error))
        return None


def _places_there(report: Report, built: Any) -> bool:
    """Whether the list of images and the folders are there."""
    prefix = built.data_prefix
    if built.ann_file and not os.path.exists(built.ann_file):
        report.problems.add('annotation files missing', built.ann_file)
        return False
    for key, kind in (('img_path', 'image folders missing'), ('seg_map_path', 'folders of label pictures missing')):
        if prefix.get(key) and not os.path.isdir(prefix[key]):
            report.problems.add(kind, prefix[key])
            return False
    return True


def _why_no_images(built: Any) -> str:
    folder = built.data_prefix.get('img_path') or ''
    if built.ann_file and os.path.isfile(built.ann_file):
        return f'{built.ann_file} names none'
    return f"no file in {folder} ends with img_suffix='{built.img_suffix}'{_there(folder)}"


def _there(folder: str | Path) -> str:
    """What else is in a folder, for a message."""
    names = sorted(path.name for path in Path(folder).rglob('*') if path.is_file())[:_SAMPLE]
    return f'; there are {few(names)}' if names else '; it is empty'


def _check_pictures(
    report: Report,
    built: Any,
    pairs: dict[Path, Path],
    sizes: dict[Path, tuple[int, int]],
    loader: LabelLoader,
    workers: int | None,
    seconds: float | None,
) -> None:
    there = _those_there(report, built, pairs, workers)
    tallies = read_in_time(loader.tally, there, 'reading label pictures', workers, seconds)
    if len(tallies) < len(there):
        report.notes.append(
            f'label pictures read: {len(tallies)} of {len(there)} in {seconds:g} s, at random; all with: '
            f'{command("check")}'
        )
    read: dict[Path, Tally] = {}
    for path, tally in tallies.items():
        if isinstance(tally, OSError):
            report.problems.add('label pictures that do not decode', f'{path}: {tally}')
            continue
        _compare_sizes(report, path, tally, pairs[path], sizes)
        if tally.channels > 1:
            report.problems.add(COLOURS, _colours(path, tally, loader, _conversion(built)))
            continue
        read[path] = tally
    classes = built.metainfo.get('classes')
    if classes is None:
        report.notes.append('labels were not looked at: neither the config nor the data set names the classes')
    elif read:
        _check_labels(report, built, list(classes), read, loader, len(tallies) == len(pairs))


def _those_there(report: Report, built: Any, pairs: dict[Path, Path], workers: int | None) -> list[Path]:
    errors = look_for(list(pairs), workers, 'looking for label pictures')
    missing = [path for path, error in errors.items() if isinstance(error, FileNotFoundError)]
    if len(missing) == len(pairs):
        folder = built.data_prefix.get('seg_map_path') or missing[0].parent
        report.problems.add(
            'label pictures missing',
            f"none of {len(pairs)}, {missing[0].name} and so on by seg_map_suffix='{built.seg_map_suffix}', is in "
            f'{folder}{_there(folder)}',
        )
        return []
    for path in missing:
        report.problems.add('label pictures missing', f'{path}, of {pairs[path].name}')
    for path, error in errors.items():
        if error is not None and path not in missing:
            report.problems.add('label pictures that cannot be read', f'{path}: {error}')
    folder = built.data_prefix.get('seg_map_path')
    if folder and not (built.ann_file and os.path.isfile(built.ann_file)):
        # A list names some of many on purpose; a folder of images has all.
        for path in sorted(set(Path(folder).rglob(f'*{built.seg_map_suffix}')) - pairs.keys()):
            report.problems.add('label pictures without an image', str(path), doubtful=True)
    return [path for path, error in errors.items() if error is None]


def _compare_sizes(report: Report, path: Path, tally: Tally, image: Path, sizes: dict[Path, tuple[int, int]]) -> None:
    try:
        size = sizes[image] if image in sizes else read_size(image)
    except OSError:
        return  # said of the image
    if tally.size != size:
        turned = ' (the EXIF orientation turns the image when it is loaded)' if tally.size == size[::-1] else ''
        report.problems.add(
            'label pictures of another size than their image',
            f'{path}: {tally.size[0]} x {tally.size[1]}, the image is {size[0]} x {size[1]}{turned}',
        )


def _conversion(built: Any) -> str:
    """The command that makes label pictures of those of a data set, whose folder is that of images and pictures."""
    prefix = built.data_prefix
    folders = [os.path.abspath(prefix[key]) for key in ('img_path', 'seg_map_path') if prefix.get(key)]
    folder = shlex.quote(os.path.commonpath(folders)) if folders else 'FOLDER'
    return f'{command("labels")} {folder} OUT'


def _colours(path: Path, tally: Tally, loader: LabelLoader, conversion: str) -> str:
    detail = f'{path}: {tally.channels} channels'
    if loader.imdecode_backend != 'pillow':
        try:
            if LabelLoader().tally(path).channels == 1:
                return f"{detail}, as LoadAnnotations has imdecode_backend='{loader.imdecode_backend}'; set 'pillow'"
        except OSError:
            pass
    return f'{detail}; make label pictures of them: {conversion}'


def _check_labels(
    report: Report,
    built: Any,
    classes: Sequence[str],
    read: dict[Path, Tally],
    loader: LabelLoader,
    complete: bool,
) -> None:
    """The values of all pictures: each is the label of a class or the ignore index."""
    ignore_index, conversion = built.ignore_index, _conversion(built)
    values = {value for tally in read.values() for value in tally.counts}
    only_masks = values == {0, MOST} and ignore_index == MOST and len(classes) > 1 and not loader.reduce_zero_label
    if only_masks:
        report.problems.add(
            ONLY_MASKS,
            f'there is no other value, so that nothing but {classes[0]!r} would be learnt; make label pictures of '
            f'them: {conversion}',
        )
    _compare_palettes(report, read, conversion)
    balance = Balance(classes)
    for path, tally in read.items():
        labels = _labels_of(report, path, tally, loader)
        beyond = {label: pixels for label, pixels in labels.items() if ignore_index != label >= len(classes)}
        if beyond and not only_masks:
            advice = _advice(sorted(values - {MOST}), len(classes), ignore_index, conversion)
            report.problems.add(BEYOND, f'{path}: {_beyond(beyond, classes, loader)}; {advice}')
        ignored = balance.add(labels, ignore_index)
        if ignored == sum(labels.values()) and not only_masks:
            report.problems.add(ALL_IGNORED, str(path), doubtful=True)
    report.notes.extend(balance.notes())
    report.table = balance.table()
    report.objects = balance.labelled
    if 0 <= ignore_index < len(classes):
        report.problems.add(
            'classes that are ignored', f'{classes[ignore_index]!r} has the ignore index, {ignore_index}', doubtful=True
        )
    if complete and not only_masks:
        for name in balance.absent():
            if 0 <= ignore_index < len(classes) and name == classes[ignore_index]:
                continue
            hint = ' (reduce_zero_label ignores 0 and makes all labels one less)' if loader.reduce_zero_label else ''
            report.problems.add('classes that never occur', f'{name!r}{hint}', doubtful=True)


def _compare_palettes(report: Report, read: dict[Path, Tally], conversion: str) -> None:
    """Numbers of indexed pictures that have other colours elsewhere were given by each picture for itself."""
    known: dict[int, tuple[int, Path]] = {}
    for path, tally in read.items():
        for number, colour in tally.palette.items():
            usual, other = known.setdefault(number, (colour, path))
            if colour != usual:
                report.problems.add(
                    'indexed label pictures whose colours differ from those of others (are their numbers labels?)',
                    f'{path}: {number} is {unpacked(colour)}, in {other.name} {unpacked(usual)}; if the colours are '
                    f'the classes: {conversion}',
                    doubtful=True,
                )
                break


def _labels_of(report: Report, path: Path, tally: Tally, loader: LabelLoader) -> Counter[int]:
    """Number of pixels by label, as a run makes labels of the values."""
    wrong = [value for value in tally.counts if not (float(value).is_integer() and 0 <= value <= MOST)]
    if wrong:
        report.problems.add(
            'values that are no labels', f'{path}: {few([f"{each:g}" for each in wrong], 3)}; labels are 0 to {MOST}'
        )
    labels: Counter[int] = Counter()
    for value in tally.counts.keys() - wrong:
        labels[loader.label(value)] += tally.counts[value]
    return labels


def _beyond(beyond: dict[int, int], classes: Sequence[str], loader: LabelLoader) -> str:
    count, pixels = len(classes), sum(beyond.values())
    detail = (
        f'label{"s" if len(beyond) > 1 else ""} {few(map(str, sorted(beyond)))} ({pixels} '
        f'pixel{"s" if pixels != 1 else ""}), with {count} class{"es" if count != 1 else ""} the last is {count - 1}'
    )
    if loader.reduce_zero_label:
        detail += ' (reduce_zero_label has made them one less)'
    return detail


def _advice(plain: Sequence[float], count: int, ignore_index: int, conversion: str) -> str:
    """What to do with labels beyond the classes.

    Args:
        plain: Values of all pictures without 255, sorted.
        count: Number of classes.
        ignore_index: Label of the pixels that have no class.
        conversion: Command that makes label pictures of them.
    """
    if plain and plain[0] >= 1 and plain[-1] == count:
        return 'they are counted from 1: set reduce_zero_label=True'
    tones = [value for value in plain if value]
    apart = all(after - before >= _APART for before, after in zip(tones, tones[1:]))
    if tones and tones[0] >= _TONE and apart:
        # Of colours, or of masks.
        return f'the values are grey tones: make label pictures of them: {conversion}'
    return f'correct the pictures, set these pixels to {ignore_index}, or add classes'
