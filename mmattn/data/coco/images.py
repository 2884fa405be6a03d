"""Images of a COCO file: names, sizes, and the files themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmattn.data.coco.entries import repeated
from mmattn.data.coco.values import is_number
from mmattn.data.decode import decode_images
from mmattn.data.images import ImageLoader
from mmattn.data.report import Report
from mmattn.data.text import shown

Size = tuple[float, float]

# Sizes in one proportion to each other are those of an image that was made smaller or larger after it was annotated.
_SAME_SCALE = 0.01

# Pixels of the largest side that an image may have; pycocotools divides by zero where the area overflows.
_LARGEST = 10**6


class Picture(NamedTuple):
    """What annotations are held against: an image's name, and its (width, height) in the JSON file and in truth."""

    name: str
    stated: Size | None
    actual: Size | None

    @property
    def size(self) -> Size | None:
        return self.actual or self.stated


def check_images(
    report: Report,
    entries: Sequence[dict],
    image_dir: Path | None,
    *,
    workers: int | None,
    loader: ImageLoader | None,
    seconds: float | None,
    left_out: bool,
    masks_evaluated: bool,
) -> dict[int | str, Picture]:
    """Looks through the images and their files.

    Args:
        report: Report that problems are added to.
        entries: Entries of ``images`` that have ids.
        image_dir: Folder that file names start from; None: no file is looked for.
        workers: Number of threads that decode images; None: one for each CPU.
        loader: How images are decoded; None: they are not.
        seconds: Time after which no further image is decoded; None: all are.
        left_out: Whether the run leaves out images that it cannot read.
        masks_evaluated: Whether pycocotools makes masks of the sizes in the file, which match no mask of another size.

    Returns:
        The images by their ids.
    """
    paths = {}
    for entry in entries:
        name = entry.get('file_name')
        if isinstance(name, str):
            paths[entry['id']] = Path(name) if image_dir is None else image_dir / name
        elif 'file_name' in entry:
            report.problems.add('file names that are no text', f'image {shown(entry["id"])}: {shown(name)}')
    for name, times in repeated(entry['file_name'] for entry in entries if isinstance(entry.get('file_name'), str)):
        report.problems.add('duplicated file_names of images', f'{name}, {times} times', doubtful=True)
    decoded: Mapping[Any, Size] = (
        {}
        if image_dir is None
        else decode_images(
            report, sorted(set(paths.values())), workers, loader=loader, seconds=seconds, left_out=left_out
        )
    )
    return {
        entry['id']: _picture(report, entry, decoded.get(paths.get(entry['id'])), masks_evaluated) for entry in entries
    }


def _picture(report: Report, entry: dict, actual: Size | None, masks_evaluated: bool) -> Picture:
    stated: Any = (entry.get('width'), entry.get('height'))
    if not all(is_number(length) and 1 <= length <= _LARGEST for length in stated):
        if 'width' in entry and 'height' in entry:
            report.problems.add(
                'image sizes that no image can have',
                f'image {shown(entry["id"])}: {shown(stated[0])} x {shown(stated[1])}',
            )
        stated = None
    elif actual is not None and stated != actual:
        _compare(report, entry, stated, actual, masks_evaluated)
    return Picture(str(entry.get('file_name', '')), stated, actual)


def _compare(report: Report, entry: dict, stated: Size, actual: Size, masks_evaluated: bool) -> None:
    where = f'{entry["file_name"]}: annotated as {shown(stated[0])} x {shown(stated[1])}, is {actual[0]} x {actual[1]}'
    scale = stated[0] / actual[0], stated[1] / actual[1]
    if stated == actual[::-1]:
        report.problems.add(
            'image sizes that differ from the file, turned by 90°',
            f'{where} (the EXIF orientation turns it when it is loaded)',
        )
    elif max(abs(stated[0] - actual[0]), abs(stated[1] - actual[1])) > 2 and abs(scale[0] / scale[1] - 1) < _SAME_SCALE:
        report.problems.add(
            'image sizes that differ from the file, in both directions alike',
            f'{where} (resized after it was annotated, so that boxes do not fit)',
        )
    else:
        report.problems.add('image sizes that differ from the file', where, doubtful=not masks_evaluated)
