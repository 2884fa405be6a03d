"""Images of a data set by their ids, to draw on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from mmattn.analysis.evaluation.checkpoint_predictions import images_to_predict
from mmattn.analysis.shown_image import reader_of, to_rgb


class DataSetImages:
    """The images of a part of a config's data.

    Args:
        cfg: Config of mmdet, mmseg or mmpretrain.
        split: Part of the data, 'val' or 'test'.

    Raises:
        UserError: The data are missing.
    """

    def __init__(self, cfg: Config, split: str) -> None:
        self._dataset: Any = images_to_predict(copy.deepcopy(cfg), one_by_one=True, split=split).dataset
        self._read = reader_of(self._dataset)
        self._index: dict | None = None

    def name(self, index: int) -> str:
        """File name of the image at a place of the data set, or its number where it is in no file."""
        path = self._dataset.get_data_info(index).get('img_path')
        return f'image {index}' if path is None else Path(path).name

    def by_index(self, index: int) -> Image.Image:
        """Picture of the image at a place of the data set."""
        info = self._dataset.get_data_info(index)
        path = info.get('img_path')
        return to_rgb(np.asarray(info['img']) if path is None else self._read(path))

    def labels(self, index: int) -> np.ndarray:
        """Annotated label of each pixel of the image at a place of a data set of mmseg, (H, W)."""
        return self._dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()

    def by_id(self, image: object) -> Image.Image | None:
        """The picture with an id of the annotations; None where the data set leaves the image out."""
        if self._index is None:
            self._index = {
                self._dataset.get_data_info(index).get('img_id'): index for index in range(len(self._dataset))
            }
        return self.by_index(self._index[image]) if image in self._index else None
