"""A trained classifier, detector or segmentor whose insides are looked at, and images as it sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mmattn.analysis.runs.tested_data import ClassNames, transforms_of
from mmattn.analysis.shown_image import to_rgb
from mmattn.engine.kinds import kind_of
from mmattn.engine.trained import load_trained
from mmattn.engine.types import type_name
from mmattn.errors import UserError, kind_and_text


@dataclass
class InputImage:
    """An image as the network sees it.

    Args:
        image: RGB image after resizing and cropping.
        inputs: The same normalised and padded at the right and at the bottom, (1, C, H, W).
        samples: The library's data sample of the image, a list of one.
    """

    image: Image.Image
    inputs: Tensor
    samples: list

    @property
    def padded_size(self) -> tuple[int, int]:
        """Width and height of `inputs`."""
        return self.inputs.shape[3], self.inputs.shape[2]


class KeepGraph(TorchFunctionMode):
    """Makes ``Tensor.detach`` do nothing: mmdet's dense heads detach what they make detections of."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.detach:
            return args[0]
        if func is torch.Tensor.numpy:  # which it was detached for
            args = args[0].detach(), *args[1:]
        return func(*args, **(kwargs or {}))


class Network:
    """The model of an mmdet, mmseg or mmpretrain config, with trained weights, in eval mode.

    Args:
        cfg: Config of the model, its modules registered.
        checkpoint: Path of the weights.
        device: Device of the model: 'cpu', 'cuda', 'cuda:1', …

    Raises:
        UserError: The config is of another library, or the checkpoint cannot be read or belongs to another model.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, device: str) -> None:
        self.cfg = cfg
        steps = transforms_of(cfg)
        trained = load_trained(cfg, checkpoint, device)
        self.model: Any = trained.model
        self.kind = kind_of(self.model)
        if not hasattr(self.model, 'extract_feat') or not hasattr(self.model, 'backbone'):
            raise UserError(
                "pictures are made of mmdet's detectors, mmseg's segmentors and mmpretrain's classifiers; "
                f'{cfg.filename} describes a {type(self.model).__name__}'
            )
        self.classes = ClassNames.of(trained.classes, cfg)
        # Gradients have to reach every activation, those inside of checkpointed blocks too.
        module: Any
        for module in self.model.modules():
            if getattr(module, 'with_cp', False):
                module.with_cp = False
        try:
            self.pipeline = Compose([step for step in steps if 'Annotations' not in type_name(step)])
        except Exception as error:  # noqa: BLE001  a transform may raise anything
            raise UserError(
                f'the test pipeline of {cfg.filename} cannot be built ({kind_and_text(error)}); correct it there'
            ) from error

    def open(self, path: Path) -> InputImage:
        """Reads an image file through the pipeline of the config's test data.

        Args:
            path: Path of the image.

        Raises:
            UserError: The image cannot be read.
        """
        try:
            data = self.pipeline(dict(img_path=str(path), img_id=0))
        except Exception as error:  # noqa: BLE001  so may one that it is given
            raise UserError(
                f"'{path}' cannot be read as an image ({kind_and_text(error)}); leave it out, or correct "
                'the test pipeline of the config'
            ) from error
        return self.to_input(data)

    def to_input(self, data: dict) -> InputImage:
        """An image from a pipeline or data set, normalised and padded as a batch of one.

        Args:
            data: What the library's pipeline returns: inputs, (C, H, W), three channels in BGR, and data_samples.

        Raises:
            UserError: The model takes other images.
        """
        try:
            pixels = data['inputs'].permute(1, 2, 0).numpy()
            batch = self.model.data_preprocessor(pseudo_collate([data]), False)
        except Exception as error:  # noqa: BLE001
            raise UserError(
                f'the data_preprocessor of {self.cfg.filename} does not take what its test pipeline '
                f'returns ({kind_and_text(error)}); correct one of them'
            ) from error
        return InputImage(to_rgb(pixels), batch['inputs'], batch['data_samples'])

    @torch.no_grad()
    def run_backbone(self, image: InputImage) -> None:
        """Runs backbone and neck, for what hooks on them record.

        Args:
            image: Image to run them on.
        """
        self.model.extract_feat(image.inputs)

    def detect(self, image: InputImage):
        """The detections in an image as mmdet's InstanceData, with gradients of scores and boxes.

        Args:
            image: Image to detect in.
        """
        with torch.enable_grad(), KeepGraph():
            return self.model(_with_gradients(image.inputs), image.samples, mode='predict')[0].pred_instances

    def segment(self, image: InputImage) -> tuple[Tensor, Tensor]:
        """The logits of the classes of the pixels with gradients, (C, H, W), and the predicted labels, (H, W).

        Of an image without its padding. A segmentor with one channel of logits has two classes, of which the first has
        their negative.

        Args:
            image: Image to segment.
        """
        metas = [sample.metainfo for sample in image.samples]
        with torch.enable_grad():
            logits = self.model.encode_decode(_with_gradients(image.inputs), metas)[0]
        width, height = image.image.size
        logits = logits[:, :height, :width]
        if len(logits) == 1:
            return torch.cat([-logits, logits]), (logits[0].sigmoid() > self.model.decode_head.threshold).long()
        return logits, logits.argmax(0)

    def classify(self, image: InputImage) -> Tensor:
        """The logits of an image with gradients, (classes,).

        Args:
            image: Image to classify.
        """
        with torch.enable_grad():
            logits = self.model(_with_gradients(image.inputs), image.samples, mode='tensor')
        if isinstance(logits, (tuple, list)):
            logits = logits[-1]
        return logits[0]

    def layer(self, name: str | None) -> tuple[str, nn.Module]:
        """A module and its name.

        Args:
            name: Name of the module; None: the neck of a detector or segmentor, or else the backbone.

        Raises:
            UserError: There is no such module.
        """
        if name is None:
            neck = self.kind != 'classifier' and getattr(self.model, 'neck', None) is not None
            name = 'neck' if neck else 'backbone'
        modules = dict(self.model.named_modules())
        if name in modules and name:
            return name, modules[name]
        end = name.rpartition('.')[2]
        near = [other for other in modules if end and end in other][:5] or [
            'backbone',
            *(f'backbone.{child}' for child, _ in self.model.backbone.named_children()),
        ][:8]
        raise UserError(f'the model has no module {name!r}; some that it has: {", ".join(near)}')


def _with_gradients(inputs: Tensor) -> Tensor:
    """The same input, on whose account every activation has gradients, those of frozen stages too."""
    return inputs.detach().clone().requires_grad_()
