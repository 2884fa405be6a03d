"""Grad-CAM for classifiers and detectors.

The methods are those of the package grad-cam: Grad-CAM (arXiv:1610.02391), Grad-CAM++ (arXiv:1710.11063), HiResCAM
(arXiv:2011.08891), LayerCAM (IEEE TIP 2021). It gets activations and gradients from here, as its own forward would run
the network anew for each detection and each method, and cannot tell which of several feature maps a detection does not
depend on.
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


@dataclass
class Explanation:
    """Where in the image one output of the network comes from.

    Args:
        title: Class and score of the output.
        boxes: Boxes of the explained detections, (N, 4), x1 y1 x2 y2 in pixels of the network's input; empty for a
            classifier.
        heat: Importance of the pixels of the network's input without padding, (H, W), from 0 to 1, by name of the
            method.
    """

    title: str
    boxes: np.ndarray
    heat: dict[str, np.ndarray]


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


class Explainer:
    """Explains outputs of a network from the feature maps of one of its modules.

    A module may return several feature maps, as a neck or a backbone does. Then those count on which the output
    depends: the score of a box in an FPN detector, for example, depends on one level. If there are several, their heat
    maps, each from 0 to 1, are averaged.

    Args:
        network: Network to explain.
        methods: Methods, keys of `METHODS`.
        layer: Name of the module; None: a detector's neck, or else the backbone (its last feature map).

    Raises:
        UserError: The package grad-cam is not installed, or there is no such module.
    """

    def __init__(self, network: Network, methods: list[str], layer: str | None = None) -> None:
        package = require('pytorch_grad_cam')
        self.network = network
        self.layer, self.module = network.layer(layer)
        self.last_only = layer is None and not network.is_detector
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
            outputs = (self._detections if self.network.is_detector else self._classes)(image, choice)
        finally:
            handle.remove()
        if not self.features:
            raise UserError(
                f'the module {self.layer!r} returned no (N, C, H, W) feature map with gradients; name '
                'another with --layer, for instance backbone'
            )
        features = self.features[-1:] if self.last_only else self.features
        try:
            return [Explanation(title, boxes, self._heat(value, features, image)) for title, boxes, value in outputs]
        finally:
            self.features = []

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

    def _classes(self, image: InputImage, choice: Choice) -> list[tuple[str, np.ndarray, Tensor]]:
        logits = self.network.classify(image)
        shares = logits.detach().softmax(0)
        labels = choice.classes or shares.argsort(descending=True)[: choice.limit].tolist()
        return [
            (f'{self.network.classes.name(label)} {shares[label]:.2f}', np.empty((0, 4)), logits[label])
            for label in labels
        ]

    def _detections(self, image: InputImage, choice: Choice) -> list[tuple[str, np.ndarray, Tensor]]:
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
                (
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
            chosen.append((f'{self.network.classes.name(labels[i])} {scores[i]:.2f}{note}', boxes[[i]], value))
        return chosen
