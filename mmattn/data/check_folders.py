"""Checks a dataset for classification: a folder for each class, or a list of files and labels."""
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmengine.fileio import list_dir_or_file

from mmattn.data.images import EXTENSIONS
from mmattn.data.report import Report, decode_images, share


def check_folders(report: Report, image_dir: Path, classes: Sequence[str] | None = None,
                  with_label: bool = True, extensions: Sequence[str] = EXTENSIONS,
                  workers: int | None = None) -> None:
    """Looks through a folder with one folder for each class and adds to the report.

    Args:
        report: Report that problems, notes and the class balance are added to.
        image_dir: Folder with a folder of images for each class.
        classes: Class names of the config; mmpretrain only compares their number with the
            number of folders, whose names may be others (WordNet's numbers).
        with_label: Whether there are classes; False for a folder of images.
        extensions: Endings of image files in lower case; mmpretrain passes over other files.
        workers: Number of threads that decode images (default: one for each CPU).
    """
    if not image_dir.is_dir():
        report.problems.add('image folders missing', str(image_dir))
        return
    # mmpretrain's own walk: it follows links, and passes over hidden files, not hidden folders.
    folders = sorted(list_dir_or_file(str(image_dir), list_file=False))
    files = [image_dir / name
             for name in sorted(list_dir_or_file(str(image_dir), list_dir=False, recursive=True))]
    images = [path for path in files if path.name.lower().endswith(tuple(extensions))]
    if len(files) > len(images):
        report.notes.append(f'{len(files) - len(images)} files are no images by their endings')
    if with_label:
        stray = [path for path in images if path.parent == image_dir]
        if stray:
            report.notes.append(f'{len(stray)} images lie outside the class folders and are '
                                'passed over')
        images = [path for path in images if path.parent != image_dir]
        count = Counter(path.relative_to(image_dir).parts[0] for path in images)
        report.folders = folders
        for name in folders:
            if name.startswith('.'):
                report.problems.add('hidden folders (mmpretrain takes them for classes)',
                                    str(image_dir / name))
            elif not count[name]:
                report.problems.add('class folders without images', str(image_dir / name))
        if classes is not None and len(classes) != len(folders):
            report.problems.add('unknown or missing classes', f'the config has {len(classes)} '
                                f'classes, {image_dir} has {len(folders)} folders')
        _summarise(report, count, folders)
    if not images:
        report.problems.add('images missing', f'not one image in {image_dir}')
    decode_images(report, images, workers)


def check_list(report: Report, ann_file: Path, image_dir: Path,
               classes: Sequence[str] | None = None, with_label: bool = True,
               workers: int | None = None) -> None:
    """Looks through a list with ``path label`` in each line and adds to the report.

    Args:
        report: Report that problems, notes and the class balance are added to.
        ann_file: Path of the list.
        image_dir: Folder that the paths in the list start from.
        classes: Class names of the config, in the order of the labels.
        with_label: Whether there are labels; False for a list of paths.
        workers: Number of threads that decode images (default: one for each CPU).
    """
    if not ann_file.is_file():
        report.problems.add('annotation files missing', str(ann_file))
        return
    labels: list[int] = []
    paths: Counter[Path] = Counter()
    for number, line in enumerate(ann_file.read_text('utf-8', 'replace').splitlines(), start=1):
        name, _, label = line.strip().rpartition(' ') if with_label else (line.strip(), '', '0')
        if not name or not label.isdecimal():
            report.problems.add('damaged lines', f"{ann_file}:{number}: '{line}' is not a path "
                                + ('and the number of a class' if with_label else ''))
            continue
        paths[image_dir / name] += 1
        labels.append(int(label))
        if classes is not None and int(label) >= len(classes):
            report.problems.add('unknown classes', f'{ann_file}:{number}: label {label}, but the '
                                f'config has {len(classes)} classes')
    for path, times in paths.items():
        if times > 1:
            report.problems.add('duplicated images', f'{path}, {times} times')
    if not paths:
        report.problems.add('images missing', f'not one image in {ann_file}')
    if with_label:
        known = range(max([len(classes or ()), *(label + 1 for label in labels)]))
        names = list(classes or ()) + [f'label {label}' for label in known[len(classes or ()):]]
        _summarise(report, Counter(names[label] for label in labels), names)
    decode_images(report, list(paths), workers)


def _summarise(report: Report, count: Counter, names: list[str]) -> None:
    report.notes.append(f'classes: {len(names)}; images: {count.total()}')
    report.table = [('class', 'images', 'share')]
    report.table += [(name, count[name], share(count[name], count.total())) for name in names]
    without = sum(1 for name in names if not count[name])
    if without:
        report.notes.append(f'{without} of {len(names)} classes have no image')
