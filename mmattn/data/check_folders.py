"""Checks a dataset for classification: a folder for each class, or a list of files and labels."""

import os
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from mmengine.fileio import list_dir_or_file

from mmattn.data.decode import decode_images
from mmattn.data.images import EXTENSIONS, ImageLoader
from mmattn.data.readable import check_readable
from mmattn.data.report import Report, share
from mmattn.data.text import shown

# Of the largest label that is one; int() of some thousands fails.
_DIGITS = 9


def check_folders(
    report: Report,
    image_dir: Path,
    classes: Sequence[str] | None = None,
    with_label: bool = True,
    extensions: Sequence[str] = EXTENSIONS,
    workers: int | None = None,
    *,
    loader: ImageLoader | None = ImageLoader(),  # noqa: B008  frozen
    seconds: float | None = None,
    images_left_out: bool = False,
) -> None:
    """Looks through a folder with one folder for each class and adds to the report.

    Args:
        report: Report that problems, notes and the class balance are added to.
        image_dir: Folder with a folder of images for each class.
        classes: Class names of the config; mmpretrain only compares their number with the
            number of folders, whose names may be others (WordNet's numbers).
        with_label: Whether there are classes; False for a folder of images.
        extensions: Endings of image files in lower case; mmpretrain passes over other files.
        workers: Number of threads that decode images (default: one for each CPU).
        loader: How images are decoded; None: they are not.
        seconds: Time after which no further image is decoded; None: all are.
        images_left_out: Whether the run leaves out images that it cannot read.
    """
    if not os.path.isdir(image_dir):
        report.problems.add('image folders missing', str(image_dir))
        return
    try:
        # mmpretrain's own walk: it follows links, and passes over hidden files, not hidden folders.
        folders = sorted(list_dir_or_file(str(image_dir), list_file=False))
        files = [image_dir / name for name in sorted(list_dir_or_file(str(image_dir), list_dir=False, recursive=True))]
    except (OSError, RecursionError) as error:
        report.problems.add('folders that cannot be read', f'{image_dir}: {error}')
        return
    images = [path for path in files if path.name.lower().endswith(tuple(extensions))]
    if len(files) > len(images):
        report.notes.append(f'{len(files) - len(images)} files are no images by their endings')
    if with_label:
        stray = [path for path in images if path.parent == image_dir]
        if stray:
            report.notes.append(f'{len(stray)} images lie outside the class folders and are passed over')
        images = [path for path in images if path.parent != image_dir]
        count = Counter(path.relative_to(image_dir).parts[0] for path in images)
        report.folders = folders
        _check_class_folders(report, image_dir, folders, count)
        if classes is not None:
            _compare_classes(report, image_dir, folders, classes)
        _summarise(report, count, folders)
    _count(report, len(images), image_dir)
    decode_images(report, images, workers, loader=loader, seconds=seconds, left_out=images_left_out)


def check_list(
    report: Report,
    ann_file: Path,
    image_dir: Path,
    classes: Sequence[str] | None = None,
    with_label: bool = True,
    workers: int | None = None,
    *,
    loader: ImageLoader | None = ImageLoader(),  # noqa: B008  frozen
    seconds: float | None = None,
    images_left_out: bool = False,
) -> None:
    """Looks through a list with ``path label`` in each line and adds to the report.

    Args:
        report: Report that problems, notes and the class balance are added to.
        ann_file: Path of the list.
        image_dir: Folder that the paths in the list start from.
        classes: Class names of the config, in the order of the labels.
        with_label: Whether there are labels; False for a list of paths.
        workers: Number of threads that decode images (default: one for each CPU).
        loader: How images are decoded; None: they are not.
        seconds: Time after which no further image is decoded; None: all are.
        images_left_out: Whether the run leaves out images that it cannot read.
    """
    labels: Counter[int] = Counter()
    paths: Counter[Path] = Counter()
    for number, line in enumerate(_read_lines(report, ann_file), start=1):
        name, _, label = line.strip().rpartition(' ') if with_label else (line, '', '0')
        if not name or not label.isdecimal() or len(label) > _DIGITS:
            report.problems.add(
                'damaged lines',
                f'{ann_file}:{number}: {shown(line)} is not a path '
                + ('and the number of a class' if with_label else ''),
            )
            continue
        paths[image_dir / name] += 1
        labels[int(label)] += 1
        if classes is not None and int(label) >= len(classes):
            report.problems.add(
                'unknown classes', f'{ann_file}:{number}: label {label}, but the config has {len(classes)} classes'
            )
    for path, times in paths.items():
        if times > 1:
            report.problems.add('duplicated images', f'{path}, {times} times', doubtful=True)
    if with_label:
        names = dict(enumerate(classes or ()))
        names.update({label: f'label {label}' for label in sorted(labels) if label not in names})
        _summarise(report, Counter({names[label]: count for label, count in labels.items()}), list(names.values()))
    _count(report, len(paths), ann_file)
    decode_images(report, list(paths), workers, loader=loader, seconds=seconds, left_out=images_left_out)


def _read_lines(report: Report, ann_file: Path) -> list[str]:
    """The lines as mmengine's list_from_file has them."""
    try:
        check_readable(ann_file)
        return [line.rstrip('\r\n') for line in StringIO(ann_file.read_bytes().decode('utf-8'), newline=None)]
    except FileNotFoundError:
        report.problems.add('annotation files missing', str(ann_file))
    except (OSError, UnicodeDecodeError) as error:
        report.problems.add('annotations that cannot be read', f'{ann_file}: {error}')
    return []


def _check_class_folders(report: Report, image_dir: Path, folders: Sequence[str], count: Counter) -> None:
    if not folders:
        report.problems.add('class folders missing', f'no folder in {image_dir}')
    for name in folders:
        if name.startswith('.'):
            report.problems.add('hidden folders (mmpretrain takes them for classes)', str(image_dir / name))
        elif not count[name]:
            report.problems.add('class folders without images', str(image_dir / name), doubtful=True)


def _compare_classes(report: Report, image_dir: Path, folders: Sequence[str], classes: Sequence[str]) -> None:
    """The label of a class is the place of its folder in the alphabet, whatever the config calls it."""
    if len(classes) != len(folders):
        report.problems.add(
            'unknown or missing classes',
            f'the config has {len(classes)} classes, {image_dir} has {len(folders)} folders',
        )
        return
    for name, folder in zip(classes, folders, strict=True):
        if name != folder and (name in folders or folder in classes):
            report.problems.add(
                'classes in another order than their folders',
                f'label {folders.index(folder)} is folder {shown(folder)}, in the config {shown(name)}',
            )


def _count(report: Report, images: int, place: Path) -> None:
    report.images = images
    if not images:
        report.problems.add('images missing', f'not one image in {place}')


def _summarise(report: Report, count: Counter, names: list[str]) -> None:
    report.notes.append(f'classes: {len(names)}; images: {count.total()}')
    report.table = [('class', 'images', 'share')]
    report.table += [(name, count[name], share(count[name], count.total())) for name in names]
    without = sum(1 for name in names if not count[name])
    if without:
        report.notes.append(f'{without} of {len(names)} classes have no image')
