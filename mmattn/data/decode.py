"""The images of a dataset: whether all files are there and a run can decode them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmattn.commands import command
from mmattn.data.images import ImageLoader, look_for, read_shapes
from mmattn.data.report import Report


def decode_images(
    report: Report,
    paths: Sequence[Path],
    workers: int | None = None,
    *,
    loader: ImageLoader | None = ImageLoader(),  # noqa: B008  frozen
    seconds: float | None = None,
    left_out: bool = False,
) -> dict[Path, tuple[int, int]]:
    """Decodes images; reports those missing or damaged, and the span of sizes.

    Whether a file is there, of the right kind and readable is looked at for every image, whatever the time.

    Args:
        report: Report that problems and notes are added to.
        paths: The image files, each once.
        workers: Number of threads; None: one for each CPU.
        loader: How the images are decoded; None: they are not, since nothing is known of it.
        seconds: Time after which no further image is decoded.
        left_out: Whether the run leaves out images that it cannot read.

    Returns:
        The (width, height) of each image that decodes.
    """
    there = _those_there(report, paths, workers, left_out)
    if loader is None:
        report.notes.append('images were not decoded: the pipeline has no LoadImageFromFile')
        return {}
    shapes = read_shapes(there, loader, workers, seconds)
    sizes, channels = {}, {}
    for path, shape in shapes.items():
        if isinstance(shape, OSError):
            report.problems.add('images that do not decode', f'{path}: {shape}', left_out=left_out)
        else:
            sizes[path] = (shape[1], shape[0])
            channels[path] = shape[2] if len(shape) > 2 else 1
    if len(shapes) < len(there):
        report.notes.append(
            f'images decoded: {len(shapes)} of {len(there)} in {seconds:g} s, at random; all with: {command("check")}'
        )
    _compare_channels(report, channels)
    if sizes:
        smallest, largest = (pick(sizes.values(), key=lambda size: size[0] * size[1]) for pick in (min, max))
        report.notes.append(f'image sizes: {smallest[0]} x {smallest[1]} to {largest[0]} x {largest[1]}')
    return sizes


def _those_there(report: Report, paths: Sequence[Path], workers: int | None, left_out: bool) -> list[Path]:
    there = []
    for path, error in look_for(paths, workers).items():
        if error is None:
            there.append(path)
        elif isinstance(error, FileNotFoundError):
            report.problems.add('images missing', str(path), left_out=left_out)
        else:
            report.problems.add('images that cannot be read', f'{path}: {error}', left_out=left_out)
    return there


def _compare_channels(report: Report, channels: dict[Path, int]) -> None:
    """Images of different numbers of channels do not fit into one batch."""
    usual = Counter(channels.values()).most_common(1)
    for path, number in channels.items():
        if number != usual[0][0]:
            report.problems.add(
                'images with another number of channels than most',
                f"{path}: {number} instead of {usual[0][0]}; set color_type='color' of LoadImageFromFile",
            )
