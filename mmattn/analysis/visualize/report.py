"""Puts pictures, raw numbers and page into a folder."""
from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmattn.files import atomic_path, write_json

from . import figures
from .attention import Reading
from .cam import Explanation
from .network import Prepared
from .page import Picture, Section, write_page
from .sizes import LARGE, MIN_IMAGES, SIZES, SMALL, StageBySize, Survey

CAM_CAPTIONS = {
    'score': 'What speaks for the score of each detection (boxed).',
    'box': 'What makes the box of each detection as wide and as high as it is.',
    'class': 'What speaks for all detections of a class together (boxed).',
    None: 'What speaks for each class; beside its name its probability.',
}
CAM_LIMIT = (' Grad-CAM and Grad-CAM++ weigh whole channels, so what looks like the object lights up elsewhere in the '
             'image too, whether it matters to this detection or not; HiResCAM weighs each position by itself.')


class Report:
    """The output folder.

    Args:
        folder: where to write; made if need be.
        title: of the page.
        facts: lines below its title.
    """

    def __init__(self, folder: Path, title: str, facts: Sequence[str]) -> None:
        self.folder = folder
        self.title, self.facts = title, facts
        self.sections: list[Section] = []

    def write_page(self) -> Path:
        path = self.folder / 'index.html'
        write_page(path, self.title, self.facts, self.sections)
        return path

    def add_image(self, name: str, prepared: Prepared, explanations: Sequence[Explanation],
                  readings: dict[str, list[Reading]], target: str | None, notes: Sequence[str] = ()) -> None:
        """The pictures of one image.

        Args:
            name: of its files and its section.
            prepared: the image.
            explanations: Grad-CAM, maybe none.
            readings: of its attention modules, by kind.
            target: what was explained, None for a classifier.
            notes: to stand above the pictures.
        """
        section = Section(name, text=list(notes))
        if explanations:
            local = {'HiResCAM', 'LayerCAM'} >= set(explanations[0].heat)
            section.pictures.append(self._save(
                figures.draw_cam(prepared.image, explanations), f'{name}_cam.png', 'Class activation maps',
                CAM_CAPTIONS[target] + ('' if target is None or local else CAM_LIMIT)))
        if 'depth' in readings:
            section.pictures.append(self._save(
                figures.draw_depth(readings['depth']), f'{name}_depth.png', 'Depth attention (SDA)',
                "How much of each stage's output comes from each of its blocks: averaged over the channels (dashed: "
                'all alike), and for each channel, which sum to 1 over the blocks.'))
        if 'branches' in readings:
            section.pictures.append(self._save(
                figures.draw_branches(readings['branches']), f'{name}_branches.png', 'Branch attention',
                'The weights of the parallel branches of every block, which sum to 1 (dashed: all alike).'))
        if 'maps' in readings:
            section.pictures.append(self._save(
                figures.draw_maps(prepared.image, readings['maps'], prepared.padded_size), f'{name}_maps.png',
                'Spatial attention', 'The weight of each position in every block, averaged over groups of channels. '
                "Each panel has its own colours from least to largest, as its title says, with the map's size."))
        if readings:
            file = f'{name}.json'
            write_json({kind: [_as_dict(kind, reading) for reading in of_kind] for kind, of_kind in readings.items()},
                       self.folder / file)
            section.files.append(file)
        self.sections.append(section)

    def add_pooling(self, shares: dict[str, float]) -> None:
        """SPEM's pooling, which is the same for all images."""
        write_json(shares, self.folder / 'pooling.json')
        picture = self._save(
            figures.draw_pooling(shares), 'pooling.png', "SPEM's pooling",
            'How each block mixes the maximum and the minimum of a channel, from the first block to the last.')
        self.sections.append(Section('Pooling by depth', [picture], files=['pooling.json']))

    def add_sizes(self, found: Survey, stages: Sequence[StageBySize]) -> None:
        """Depth attention by object size over a data set."""
        header = ['image', *(f'{size} objects' for size in SIZES)]
        columns = [(name, block) for name, weights in found.weights.items() for block in range(weights.shape[1])]
        self._write_csv('depth_by_image.csv', [*header, *(f'{name} block {block + 1}' for name, block in columns)], (
            [image, *objects.tolist(), *(f'{found.weights[name][i, block]:.6f}' for name, block in columns)]
            for i, (image, objects) in enumerate(zip(found.images, found.objects, strict=True))))
        self._write_csv('depth_by_size.csv', ['stage', 'size', 'objects', 'images', 'block', 'weight'], (
            [stage.name, size, found.objects[:, i].sum(), (found.objects[:, i] > 0).sum(), block + 1,
             f'{stage.weights[i, block]:.6f}']
            for stage in stages for i, size in enumerate(SIZES) if not np.isnan(stage.mean_depth[i])
            for block in range(stage.weights.shape[1])))
        write_json(dict(
            images=len(found.images), objects={size: int(found.objects[:, i].sum()) for i, size in enumerate(SIZES)},
            stages=[dict(
                stage=stage.name, verdict=stage.verdict, compared=stage.compared, difference=stage.difference,
                difference_interval=stage.difference_interval,
                sizes={size: dict(weights=stage.weights[i].tolist(), mean_depth=float(stage.mean_depth[i]),
                                  interval=stage.interval[i].tolist()) for i, size in enumerate(SIZES)})
                for stage in stages]), self.folder / 'depth_by_size.json')
        section = Section('Depth attention over the data set', text=_explain_sizes(found),
                          files=['depth_by_size.json', 'depth_by_size.csv', 'depth_by_image.csv'])
        if found.objects.any():
            section.pictures.append(self._save(
                figures.draw_sizes(stages, found.objects.sum(0).tolist()), 'depth_by_size.png',
                'Weight of the blocks, by object size',
                'Above: mean weight of each block (dashed: all alike). Below: the mean depth of the weights, 0 if all '
                'is on the first block and 1 if on the last, with its 95 % interval.'))
            section.header = [
                'stage', *(f'mean depth, {size}' for size in SIZES), 'difference (95 % interval)', 'claim']
            section.rows = [_size_row(stage) for stage in stages]
        else:
            section.header = ['stage', 'weights of the blocks, first to last']
            section.rows = [[name, ', '.join(f'{weight:.4f}' for weight in weights.mean(0))]
                            for name, weights in found.weights.items()]
        self.sections.append(section)

    def _save(self, figure, file: str, title: str, caption: str) -> Picture:
        path = self.folder / file
        figures.save(figure, path)
        with Image.open(path) as picture:
            return Picture(file, title, caption, picture.size)

    def _write_csv(self, file: str, header: Sequence[str], rows: Iterable[Sequence]) -> None:
        with atomic_path(self.folder / file) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as stream:
            csv.writer(stream).writerows([header, *rows])


def _as_dict(kind: str, reading: Reading) -> dict:
    content = dict(name=reading.name, module=reading.module, gate=reading.gate)
    rounded = np.round(reading.weights.numpy().astype(float), 5)
    if kind == 'maps':
        return dict(content, mean_over_groups=np.round(rounded.mean(0), 5).tolist())
    return dict(content, labels=reading.labels, mean=np.round(rounded.mean(1), 5).tolist(),
                per_channel=rounded.tolist())


def _explain_sizes(found: Survey) -> list[str]:
    counts = ', '.join(f'{int(found.objects[:, i].sum())} {size} in {int((found.objects[:, i] > 0).sum())} images'
                       for i, size in enumerate(SIZES))
    if not found.objects.any():
        return [f'{len(found.images)} images of the validation set, without annotated objects, so there is nothing to '
                'tell by size: below is the mean over all images.']
    return [f'{len(found.images)} images of the validation set; objects: {counts}. Small is an area below {SMALL} '
            f'pixels of the original image, large is {LARGE} or more, as in COCO.',
            'SDA draws its weights from the mean over the whole image, so they belong to the image. Each object counts '
            'with the weights of the image it is in: the mean for small objects is the mean over images, each as often '
            'as it has small objects. Nothing is cropped or resized for it. Intervals come from drawing images anew '
            'with replacement. It is an association: images with small objects may differ in other ways too.',
            'The claim (SDA-xNet, arXiv:2209.10327) is that small objects pull shallow blocks: the mean depth of the '
            'smallest size would be below that of the largest. It is "shown" where the whole interval of the '
            'difference is below 0, "refuted" where it is above 0, else "undecided"; where one of the two sizes is '
            f'in fewer than {MIN_IMAGES} images, there are too few images to tell. Mind its size too: '
            "a difference of 0.01 moves the weights by a hundredth of the stage's depth."]


def _size_row(stage: StageBySize) -> list[str]:
    depths = ['none' if np.isnan(value) else f'{value:.4f}' for value in stage.mean_depth]
    if stage.compared is None:
        return [stage.name, *depths, 'only one size or one block', stage.verdict]
    low, high = stage.difference_interval
    first, last = stage.compared
    return [stage.name, *depths, f'{stage.difference:+.4f} ({low:+.4f} to {high:+.4f}), {first} less {last}',
            stage.verdict]
