"""Pictures of what the options of ``tools/visualize.py`` ask for, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmattn.analysis.image_files import images_in
from mmattn.engine.progress import progress
from mmattn.errors import UserError
from mmattn.files import unique_names

from .attention import KINDS, Reading, Recorder, find, inventory
from .cam import Choice, Explainer
from .network import InputImage, Network
from .output import PIXELS, TAKEN, PictureFolder


def find_images(paths: Iterable[Path], limit: int | None = None) -> dict[str, Path]:
    """Image files, and those in folders in order of their paths, by names for the files of their pictures.

    Args:
        paths: Paths of images, or of folders of images.
        limit: Largest number of images of each folder; None: all.

    Raises:
        UserError: A path does not exist, or a folder has no image.
    """
    files = []
    for path in paths:
        if path.is_dir():
            files += images_in(path)[:limit]
        elif path.is_file():
            files.append(path)
        else:
            raise UserError(f"no image or folder '{path}'")
    return dict(zip(unique_names((file.stem for file in files), TAKEN), files))


def choose_kinds(network: Network, only: Sequence[str] | None, dataset: bool) -> list[str]:
    """The kinds of attention to show: all that the network has, unless told otherwise.

    Args:
        network: Network to look at.
        only: Kinds to confine it to, of 'gradcam' and `KINDS`; None: all.
        dataset: Whether depth attention over the validation set is to be shown.

    Raises:
        UserError: The network has no module of a kind that is asked for.
    """
    has = find(network.model)
    for kind in only or ():
        if kind != 'gradcam' and kind not in has:
            raise UserError(
                f'--only {kind}: the model has no module for it ({KINDS[kind]}); it has: {inventory(network.model)}'
            )
    if dataset and 'depth' not in has:
        raise UserError(
            f'--dataset is about depth attention (SDA), which the model lacks; it has: {inventory(network.model)}'
        )
    return [kind for kind in has if only is None or kind in only]


def show_images(
    network: Network,
    output: PictureFolder,
    images: Mapping[str, Path],
    kinds: Sequence[str],
    explainer: Explainer | None,
    choice: Choice,
) -> list[str]:
    """Adds the pictures of images, with a progress bar.

    Args:
        network: Network to look at.
        output: Folder that gets the pictures.
        images: Paths of the images by name.
        kinds: Kinds of attention to show.
        explainer: Explains outputs by Grad-CAM; None: without it.
        choice: Which outputs to explain.

    Returns:
        What is wrong with the images that cannot be read, which cost the others nothing.

    Raises:
        UserError: No output depends on the module that is explained.
    """
    unreadable = []
    for name, path in progress(images.items(), 'pictures', len(images)):
        try:
            image = network.open(path)
        except UserError as error:
            unreadable.append(str(error))
            continue
        readings = _read_attention(network, image, kinds)
        explanations = explainer.explain(image, choice) if explainer else []
        output.add_image(
            name,
            image,
            explanations,
            readings,
            dict(detector=choice.target, segmentor=PIXELS, classifier=None)[network.kind],
            ['Nothing was detected.'] if explainer and not explanations else [],
        )
    return unreadable


def _read_attention(network: Network, image: InputImage, kinds: Sequence[str]) -> dict[str, list[Reading]]:
    if not kinds:
        return {}
    with Recorder(network.model, kinds) as recorder:
        network.run_backbone(image)
    return recorder.take()
