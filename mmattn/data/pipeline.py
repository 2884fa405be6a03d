"""What the pipeline of a dataset loads: images, by which settings, and masks or label pictures or none."""

from collections.abc import Iterator
from dataclasses import fields

from mmattn.data.coco.masks import MaskCheck
from mmattn.data.images import ImageLoader
from mmattn.engine.types import type_name


def transforms_in(pipeline: object) -> Iterator[dict]:
    """The transforms of a pipeline, also those inside others (RandomChoice, RandomApply, TransformBroadcaster, …).

    Args:
        pipeline: The setting of a dataset, a list of dicts.
    """
    waiting = [pipeline]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, dict):
            if 'type' in node:
                yield node
            waiting = [*node.values(), *waiting]
        elif isinstance(node, (list, tuple)):
            waiting = [*node, *waiting]


def image_loader(dataset: dict) -> ImageLoader | None:
    """How a dataset's pipeline decodes images; None if it has no LoadImageFromFile.

    Args:
        dataset: Settings of the dataset. One without a pipeline decodes by the defaults.
    """
    loaders = [each for each in transforms_in(dataset.get('pipeline')) if type_name(each) == 'LoadImageFromFile']
    if not loaders:
        return None if dataset.get('pipeline') else ImageLoader()
    return ImageLoader(**{each.name: loaders[0][each.name] for each in fields(ImageLoader) if each.name in loaders[0]})


def label_backend(dataset: dict) -> str | None:
    """Library by which a dataset of mmsegmentation decodes label pictures; None if its pipeline loads none.

    Args:
        dataset: Settings of the dataset. One without a pipeline decodes by the default.
    """
    loaders = [each for each in transforms_in(dataset.get('pipeline')) if type_name(each) == 'LoadAnnotations']
    if not loaders:
        return None if dataset.get('pipeline') else 'pillow'
    return loaders[0].get('imdecode_backend', 'pillow')


def mask_check(dataset: dict, segm: bool | None = None) -> MaskCheck | None:
    """How a run uses the masks of a dataset; None if not at all.

    Args:
        dataset: Settings of the dataset.
        segm: Whether an evaluator reads masks from the dataset's file; None: it may, where the pipeline of a test or
            validation does.
    """
    loads = [
        each
        for each in transforms_in(dataset.get('pipeline'))
        if type_name(each) == 'LoadAnnotations' and each.get('with_mask')
    ]
    if not loads and not segm:
        return None
    evaluated = bool(dataset.get('test_mode')) if segm is None else segm
    return MaskCheck(
        required=True, evaluated=evaluated, polygons_only=bool(loads) and not loads[0].get('poly2mask', True)
    )
