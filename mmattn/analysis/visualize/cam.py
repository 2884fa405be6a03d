"""Grad-CAM for classifiers, detectors and segmentors.

The methods are those of the package grad-cam: Grad-CAM (arXiv:1610.02391), Grad-CAM++ (arXiv:1710.11063), HiResCAM
(arXiv:2011.08891), LayerCAM (IEEE TIP 2021). Of a segmentor what is explained is the mean logit of a class over the
pixels that are predicted to be of it (Seg-Grad-CAM, arXiv:2002.11434). The package gets activations and gradients from
here, as its own forward would run the network anew for each detection and each method, and cannot tell which of several
feature maps a detection does not depend on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmattn.analysis.extras import require
from mmattn.errors import UserError

from .network import InputImage, Network

METHODS = {
    'gradcam': ('Grad-CAM', 'GradCAM'),
    'gradcam++': ('Grad-CAM++', 'GradCAMPlusPlus'),
    'hirescam': ('HiResCAM', 'HiResCAM'),
    'layercam': ('LayerCAM', 'LayerCAM'),
}
TARGETS = ('score', 'box', 'class')
NO_BOXES = np.empty((0, 4))


@dataclass
class Explanation:
    """Where in the image one output of the network comes from.

    Args:
        title: Class and score of the output.
        boxes: Boxes of the explained detections, (N, 4), x1 y1 x2 y2 in pixels of the network's input; empty for a
            classifier.
        heat: Importance of the pixels of the network's input without padding, (H, W), from 0 to 1, by name of the
            method.
        region: Whether each pixel of the network's input without padding is explained, (H, W); None where that is no
            choice of pixels.
    """

    title: str
    boxes: np.ndarray
    heat: dict[str, np.ndarray]
    region: np.ndarray | None = None


@dataclass
class Choice:
    """Which outputs to explain.

    Args:
        target: Output of a detector to explain: 'score', each detection's class score; 'box', each detection's width +
            height; 'class', the sum of the scores of all detections of a class.
        limit: Largest number of outputs; those with the highest scores are explained.
        score_thr: Least score of a detection. Where none reaches it, the best one is explained.
        classes: Labels of the classes to explain; None: all classes.
    """

    target: str = 'score'
    limit: int = 3
    score_thr: float = 0.3
    classes: list[int] | None = None


@dataclass
class _Output:
    """An output to explain: as in an `Explanation`, with its value, a scalar with gradients."""

    title: str
    boxes: np.ndarray
    value: Tensor
    region: np.ndarray | None = None


class Explainer:
    """Explains outputs of a network from the feature maps of one of its modules.

    A module may return several feature maps, as a neck or a backbone does. Then those count on which the output
    depends: the score of a box in an FPN detector, for example, depends on one level. If there are several, their heat
    maps, each from 0 to 1, are averaged.

    Args:
        network: Network to explain.
        methods: Methods, keys of `METHODS`.
        layer: Name of the module; None: the neck of a detector or segmentor, or else the backbone (its last feature
            map).

    Raises:
        UserError: The package grad-cam is not installed, or there is no such module.
    """

    def __init__(self, network: Network, methods: list[str], layer: str | None = None) -> None:
        package = require('pytorch_grad_cam')
        self.network = network
        self.layer, self.module = network.layer(layer)
        self.last_only = layer is None and (network.kind == 'classifier' or self.layer == 'backbone')
        self.cams = {METHODS[name][0]: getattr(package, METHODS[name][1])(network.model, []) for name in methods}
        self.features: list[Tensor] = []

    def explain(self, image: InputImage, choice: Choice) -> list[Explanation]:
        """Explains the chosen outputs for an image.

        Args:
            image: Image as the network sees it.
            choice: Which outputs to explain.

        Raises:
            UserError: The module returns no (N, C, H, W) feature map, or no output depends on it.
        """
        self.features = []
        handle = self.module.register_forward_hook(self._keep)
        try:
            outputs = self._outputs(image, choice)
        finally:
            handle.remove()
        if not self.features:
            raise UserError(
                f'the module {self.layer!r} returned no (N, C, H, W) feature map with gradients; name '
                'another with --layer, for instance backbone'
            )
        features = self.features[-1:] if self.last_only else self.features
        try:
            return [
                Explanation(one.title, one.boxes, self._heat(one.value, features, image), one.region) for one in outputs
            ]
        finally:
            self.features = []

    def _outputs(self, image: InputImage, choice: Choice) -> list[_Output]:
        if self.network.kind == 'detector':
            return self._detections(image, choice)
        return self._pixels(image, choice) if self.network.kind == 'segmentor' else self._classes(image, choice)

    def _keep(self, module, inputs, output) -> None:
        outputs = output if isinstance(output, (tuple, list)) else [output]
        self.features += [x for x in outputs if isinstance(x, Tensor) and x.dim() == 4 and x.requires_grad]

    def _heat(self, value: Tensor, features: list[Tensor], image: InputImage) -> dict[str, np.ndarray]:
        package = require('pytorch_grad_cam.utils.image')
        grads: Sequence[Tensor | None] = [None] * len(features)
        if value.requires_grad:
            grads = torch.autograd.grad(value, features, retain_graph=True, allow_unused=True)
        used = [
            (x.detach().float().cpu().numpy(), g.float().cpu().numpy())
            for x, g in zip(features, grads, strict=True)
            if g is not None and g.any()
        ]
        if not used:
            raise UserError(
                f'no output depends on the feature maps of {self.layer!r}; name another module with '
                '--layer, for instance backbone'
            )
        width, height = image.image.size
        heat = {}
        for name, cam in self.cams.items():
            layers = [np.maximum(cam.get_cam_image(None, None, None, x, g, False), 0) for x, g in used]
            # the padding goes before the importance is scaled: no picture shows it
            layers = [package.scale_cam_image(x, image.padded_size)[:, :height, :width] for x in layers]
            heat[name] = cam.aggregate_multi_layers([package.scale_cam_image(x)[:, None] for x in layers])[0]
        return heat

    def _classes(self, image: InputImage, choice: Choice) -> list[_Output]:
        logits = self.network.classify(image)
        shares = logits.detach().softmax(0)
        labels = choice.classes or shares.argsort(descending=True)[: choice.limit].tolist()
        return [
            _Output(f'{self.network.classes.name(label)} {shares[label]:.2f}', NO_BOXES, logits[label])
            for label in labels
        ]

    def _pixels(self, image: InputImage, choice: Choice) -> list[_Output]:
        logits, labels = self.network.segment(image)
        areas = torch.bincount(labels.reshape(-1), minlength=len(logits))
        order = areas.argsort(descending=True, stable=True)
        chosen = choice.classes or order[areas[order] > 0][: choice.limit].tolist()
        outputs = []
        for label in chosen:
            region = labels == label
            name, share = self.network.classes.name(label), float(region.float().mean())
            # Of a class that no pixel is predicted to be of, what speaks for it anywhere.
            value = logits[label][region].mean() if areas[label] else logits[label].mean()
            title = f'{name}: {100 * share:.1f} % of the pixels' if areas[label] else f'{name}: not predicted'
            outputs.append(_Output(title, NO_BOXES, value, region.cpu().numpy()))
        return outputs

    def _detections(self, image: InputImage, choice: Choice) -> list[_Output]:
        found = self.network.detect(image)
        if choice.classes is not None:
            found = found[torch.isin(found.labels, torch.tensor(choice.classes, device=found.labels.device))]
        order = found.scores.detach().argsort(descending=True)
        good = order[found.scores.detach()[order] >= choice.score_thr]
        note = '' if len(good) else f' (below {choice.score_thr:g})'
        order = good if len(good) else order[:1]
        scale = np.tile(image.samples[0].metainfo.get('scale_factor', (1, 1)), 2)[:4]
        boxes = found.bboxes.detach().cpu().numpy() * scale
        scores, labels = found.scores, found.labels.tolist()
        if choice.target == 'class':
            groups: dict[int, list[int]] = {}
            for i in order.tolist():
                groups.setdefault(labels[i], []).append(i)
            return [
                _Output(
                    f'{self.network.classes.name(label)}: {len(members)} found{note}',
                    boxes[members],
                    scores[members].sum(),
                )
                for label, members in list(groups.items())[: choice.limit]
            ]
        chosen = []
        for i in order[: choice.limit].tolist():
            x1, y1, x2, y2 = found.bboxes[i]
            value = scores[i] if choice.target == 'score' else x2 - x1 + y2 - y1
            title = f'{self.network.classes.name(labels[i])} {scores[i]:.2f}{note}'
            chosen.append(_Output(title, boxes[[i]], value))
        return chosen
