"""Output of `visualize`: a folder with pictures, the numbers behind them, and a page that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmattn.analysis.charts import save_png
from mmattn.analysis.page import Cell, Page, Picture, Section, Table, TableRow, write_page
from mmattn.commands import command
from mmattn.files import csv_text, write_json, write_text

from . import figures
from .attention import Reading
from .cam import Explanation
from .network import InputImage
from .sizes import LARGE, MIN_IMAGES, SIZES, SMALL, StageBySize, Survey

PIXELS = 'pixels'
CAM_CAPTIONS = {
    'score': 'What speaks for the score of each detection (boxed).',
    'box': 'What makes the box of each detection as wide and as high as it is.',
    'class': 'What speaks for all detections of a class together (boxed).',
    PIXELS: 'What speaks for each class in the pixels that are predicted to be of it (outlined), by their mean logit.',
    None: 'What speaks for each class; beside its name its probability.',
}
# Names of the files that are of no image, without suffix.
TAKEN = ('index', 'pooling', 'depth_by_image', 'depth_by_size')
CAM_LIMIT = (
    ' Grad-CAM and Grad-CAM++ have one weight for a whole channel, so what looks like the object lights up '
    'elsewhere in the image too, whether it matters to this detection or not; HiResCAM has one for each '
    'position.'
)


class PictureFolder:
    """A folder that gets pictures, numbers and a page.

    Args:
        folder: Path of the folder, which is created if need be.
        title: Title of the page.
        facts: Lines below the title.
    """

    def __init__(self, folder: Path, title: str, facts: Sequence[str]) -> None:
        self.folder = folder
        self.title, self.facts = title, facts
        self.sections: list[Section] = []

    def write_page(self) -> Path:
        """Writes ``index.html`` with all that was added, and returns its path."""
        path = self.folder / 'index.html'
        write_page(
            Page(
                self.title,
                command('visualize'),
                tuple(self.sections),
                tuple(self.facts),
                contents=len(self.sections) > 1,
            ),
            path,
        )
        return path

    def add_image(
        self,
        name: str,
        image: InputImage,
        explanations: Sequence[Explanation],
        readings: dict[str, list[Reading]],
        target: str | None,
        notes: Sequence[str] = (),
    ) -> None:
        """Adds the pictures of one image.

        Args:
            name: Name of the image, of which those of its files are made, and title of its section.
            image: Image as the network sees it.
            explanations: Outputs that Grad-CAM explains, maybe none.
            readings: Weights of the attention modules, by kind.
            target: Kind of output that was explained, a key of `CAM_CAPTIONS`; `PIXELS` for a segmentor, None for a
                classifier.
            notes: Paragraphs above the pictures.
        """
        pictures, files = [], []
        if explanations:
            local = {'HiResCAM', 'LayerCAM'} >= set(explanations[0].heat)
            pictures.append(
                self._save(
                    figures.draw_cam(image.image, explanations),
                    f'{name}_cam.png',
                    'Class activation maps',
                    CAM_CAPTIONS[target] + ('' if target in (None, PIXELS) or local else CAM_LIMIT),
                )
            )
        if 'depth' in readings:
            pictures.append(
                self._save(
                    figures.draw_depth(readings['depth']),
                    f'{name}_depth.png',
                    'Depth attention (SDA)',
                    "How much of each stage's output comes from each of its blocks: averaged over the channels "
                    '(dashed: all alike), and for each channel, which sum to 1 over the blocks.',
                )
            )
        if 'branches' in readings:
            pictures.append(
                self._save(
                    figures.draw_branches(readings['branches']),
                    f'{name}_branches.png',
                    'Branch attention',
                    'The weights of the parallel branches of every block, which sum to 1 (dashed: all alike).',
                )
            )
        if 'maps' in readings:
            pictures.append(
                self._save(
                    figures.draw_maps(image.image, readings['maps'], image.padded_size),
                    f'{name}_maps.png',
                    'Spatial attention',
                    'The weight of each position in every block, averaged over groups of channels. '
                    'Each panel has its own colours from least to largest; its title has their range and the size of '
                    'the attention map.',
                )
            )
        if readings:
            file = f'{name}.json'
            write_json(
                {kind: [_as_dict(kind, reading) for reading in of_kind] for kind, of_kind in readings.items()},
                self.folder / file,
            )
            files.append(file)
        self.sections.append(Section(name, tuple(notes), pictures=tuple(pictures), files=tuple(files)))

    def add_pooling(self, shares: dict[str, float]) -> None:
        """Adds SPEM's pooling, which is the same for all images.

        Args:
            shares: Share of the maximum from 0 to 1, by name of the block.
        """
        write_json(shares, self.folder / 'pooling.json')
        picture = self._save(
            figures.draw_pooling(shares),
            'pooling.png',
            "SPEM's pooling",
            'How each block mixes the maximum and the minimum of a channel, from the first block to the last: the '
            'minimum has the rest of the share (dashed: half and half).',
        )
        self.sections.append(Section('Pooling by depth', pictures=(picture,), files=('pooling.json',)))

    def add_sizes(self, found: Survey, stages: Sequence[StageBySize]) -> None:
        """Adds depth attention by object size over a data set.

        Args:
            found: Depth weights of the images of the data set.
            stages: The same for each stage, by object size.
        """
        header = ['image', *(f'{size} objects' for size in SIZES)]
        blocks = [(name, block) for name, weights in found.weights.items() for block in range(weights.shape[1])]
        self._write_csv(
            'depth_by_image.csv',
            [*header, *(f'{name} block {block + 1}' for name, block in blocks)],
            (
                [image, *objects.tolist(), *(f'{found.weights[name][i, block]:.6f}' for name, block in blocks)]
                for i, (image, objects) in enumerate(zip(found.images, found.objects, strict=True))
            ),
        )
        self._write_csv(
            'depth_by_size.csv',
            ['stage', 'size', 'objects', 'images', 'block', 'weight'],
            (
                [
                    stage.name,
                    size,
                    found.objects[:, i].sum(),
                    (found.objects[:, i] > 0).sum(),
                    block + 1,
                    f'{stage.weights[i, block]:.6f}',
                ]
                for stage in stages
                for i, size in enumerate(SIZES)
                if not np.isnan(stage.mean_depth[i])
                for block in range(stage.weights.shape[1])
            ),
        )
        write_json(
            dict(
                images=len(found.images),
                objects={size: int(found.objects[:, i].sum()) for i, size in enumerate(SIZES)},
                stages=[
                    dict(
                        stage=stage.name,
                        verdict=stage.verdict,
                        compared=stage.compared,
                        difference=stage.difference,
                        difference_interval=stage.difference_interval,
                        sizes={
                            size: dict(
                                weights=stage.weights[i].tolist(),
                                mean_depth=float(stage.mean_depth[i]),
                                interval=stage.interval[i].tolist(),
                            )
                            for i, size in enumerate(SIZES)
                        },
                    )
                    for stage in stages
                ],
            ),
            self.folder / 'depth_by_size.json',
        )
        pictures = []
        if found.objects.any():
            pictures.append(
                self._save(
                    figures.draw_sizes(stages, found.objects.sum(0).tolist()),
                    'depth_by_size.png',
                    'Weight of the blocks, by object size',
                    'Above: mean weight of each block (dashed: all alike). Below: the mean depth of the weights, 0 if '
                    'all is on the first block and 1 if on the last, with its 95 % interval.',
                )
            )
            columns: tuple[str, ...] = (
                'stage',
                *(f'mean depth, {size}' for size in SIZES),
                'difference (95 % interval)',
                'claim',
            )
            rows = [_size_row(stage) for stage in stages]
        else:
            columns = ('stage', 'weights of the blocks, first to last')
            rows = [
                [name, ', '.join(f'{weight:.4f}' for weight in weights.mean(0))]
                for name, weights in found.weights.items()
            ]
        table = Table(
            'Mean depth',
            '',
            columns,
            tuple(TableRow(name, tuple(map(Cell, cells))) for name, *cells in rows),
            words=True,
        )
        self.sections.append(
            Section(
                'Depth attention over the data set',
                tuple(_explain_sizes(found)),
                pictures=tuple(pictures),
                table=table,
                files=('depth_by_size.json', 'depth_by_size.csv', 'depth_by_image.csv'),
            )
        )

    def _save(self, figure, file: str, title: str, caption: str) -> Picture:
        path = self.folder / file
        save_png(figure, path)
        with Image.open(path) as picture:
            return Picture(title, caption, file=file, size=picture.size)

    def _write_csv(self, file: str, header: Sequence[str], rows: Iterable[Sequence]) -> None:
        write_text(csv_text([header, *rows]), self.folder / file)


def _as_dict(kind: str, reading: Reading) -> dict:
    content = dict(name=reading.name, module=reading.module, gate=reading.gate)
    rounded = np.round(reading.weights.numpy().astype(float), 5)
    if kind == 'maps':
        return dict(content, mean_over_groups=np.round(rounded.mean(0), 5).tolist())
    return dict(
        content, labels=reading.labels, mean=np.round(rounded.mean(1), 5).tolist(), per_channel=rounded.tolist()
    )


def _explain_sizes(found: Survey) -> list[str]:
    counts = ', '.join(
        f'{int(found.objects[:, i].sum())} {size} in {int((found.objects[:, i] > 0).sum())} images'
        for i, size in enumerate(SIZES)
    )
    if not found.objects.any():
        return [
            f'{len(found.images)} images of the validation set, without annotated objects, so there is nothing to '
            'tell by size: below is the mean over all images.'
        ]
    return [
        f'{len(found.images)} images of the validation set; objects: {counts}. Small is an area below {SMALL} '
        f'pixels of the original image, large is {LARGE} or more, as in COCO.',
        'SDA draws its weights from the mean over the whole image, so they belong to the image. Each object counts '
        'with the weights of the image it is in: the mean for small objects is the mean over images, each as often '
        'as it has small objects. Nothing is cropped or resized for it. Intervals come from drawing images anew '
        'with replacement. It is an association: images with small objects may differ in other ways too.',
        'The claim (SDA-xNet, arXiv:2209.10327) is that small objects pull shallow blocks: the mean depth of the '
        'smallest size would be below that of the largest. It is "shown" where the whole interval of the '
        'difference is below 0, "refuted" where it is above 0, else "undecided"; where one of the two sizes is '
        f'in fewer than {MIN_IMAGES} images, there are too few images to tell. Mind its size too: '
        "a difference of 0.01 moves the weights by a hundredth of the stage's depth.",
    ]


def _size_row(stage: StageBySize) -> list[str]:
    depths = ['none' if np.isnan(value) else f'{value:.4f}' for value in stage.mean_depth]
    if stage.compared is None:
        return [stage.name, *depths, 'only one size or one block', stage.verdict]
    low, high = stage.difference_interval
    first, last = stage.compared
    return [
        stage.name,
        *depths,
        f'{stage.difference:+.4f} ({low:+.4f} to {high:+.4f}), {first} less {last}',
        stage.verdict,
    ]
