"""A forward pass of a whole network for counting: each part once, on as many regions as papers count.

A network runs on the 'meta' device, in no time and memory; if it needs values there, which such tensors lack, with
random weights on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmattn.engine.kinds import kind_of
from mmattn.engine.quiet import silent
from mmattn.errors import UserError, kind_and_text
from mmattn.ops import use_faster

from . import networks
from .counter import MultiplyAdds

# As the dummy forward of mmdet 2, with which the papers' figures were measured.
BOX_ROIS, MASK_ROIS = 1000, 100


class ForwardPass:
    """What was counted of a network for one image.

    Args:
        model: Network that runs.

    Attributes:
        parts: Backbone, neck, heads and whatever else the network consists of, by name; of a RoI head its own parts.
        stages: Stem and stages of the backbone, by name.
        total: MACs of everything.
        modules: MACs of each of `parts` and, with 'backbone.' before the name, of `stages`.
        ran: Names of those that ran.
        used: Identities (``id``) of the parameters that something was computed with.
    """

    def __init__(self, model: BaseModel) -> None:
        self.model = model
        self.parts = parts_of(model)
        self.stages = dict(model.backbone.named_children())
        self._watched = {**self.parts, **{f'backbone.{name}': stage for name, stage in self.stages.items()}}
        self.total = 0
        self.modules = dict.fromkeys(self._watched, 0)
        self.ran: set[str] = set()
        self.used: set[int] = set()

    @contextmanager
    def counting(self, masks: bool | None = None) -> Iterator[None]:
        """Adds what runs inside the context, unless it raises.

        Args:
            masks: True: the share of mask heads alone; False: all but that; None: everything.

        Raises:
            UserError: The network does not run; the message begins with the part.
        """
        with (
            silent(),
            use_faster(False),
            _formulas_of_torch(),
            _fixed(self.model),
            MultiplyAdds(self._watched) as count,
        ):
            try:
                yield
            except Exception as error:
                at = count.running[0] if count.running else 'forward pass'
                raise UserError(f'{at}: {kind_and_text(error)}') from error
        for name, share in count.modules.items():
            if masks is None or _is_of_masks(name) == masks:
                self.modules[name] += share
        of_masks = sum(count.modules[name] for name in self.parts if _is_of_masks(name))
        self.total += count.total if masks is None else of_masks if masks else count.total - of_masks
        self.ran |= count.ran
        self.used |= count.used


def run_forward(cfg: Config, shape: tuple[int, int], model: nn.Module) -> ForwardPass:
    """Counts a forward pass of the network of a config.

    Args:
        cfg: Config with a model.
        shape: Height and width of the image.
        model: The model, as `networks.build` builds it on 'meta'; what is not counted is taken out of it.

    Raises:
        UserError: The network cannot be built, or does not run on such an image.
    """
    for device in ('meta', 'cpu'):
        if device == 'cpu':
            model = networks.build(cfg.model, cfg, device)
        try:
            return _run(model, shape, device)
        except UserError as error:
            if device == 'cpu' or not _lacks_values(error.__cause__):
                part, _, reason = str(error).partition(': ')
                raise UserError(
                    f'{part} of {cfg.filename} does not run on an image of {shape[0]} x {shape[1]}: {reason}'
                ) from error
    raise AssertionError  # never reached


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """The children of a network by name; of a RoI head its own, and of a cascade each of its heads."""
    parts = {}
    for name, child in model.named_children():
        if name != 'roi_head':
            parts[name] = child
            continue
        for inner, module in child.named_children():
            several = isinstance(module, nn.ModuleList) and len(module) > 1
            parts.update(
                {f'{name}.{inner}.{number}': one for number, one in module.named_children()}
                if several
                else {f'{name}.{inner}': module}
            )
    return parts


def _run(model: BaseModel, shape: tuple[int, int], device: str) -> ForwardPass:
    found = ForwardPass(model)
    image = networks.image(model.backbone, shape, device)
    if getattr(model, 'roi_head', None) is not None:
        _run_two_stage(found, image, _samples(shape))
        return found
    samples = _samples(shape) if kind_of(model) == 'detector' else None
    with found.counting():
        if hasattr(model, 'bbox_head') and hasattr(model, 'mask_head'):
            # Their mask head (CondInst, YOLACT) runs on what was detected: nothing to count without an image.
            model.bbox_head(model.extract_feat(image))
        else:
            model(image, samples, mode='tensor')
    return found


def _run_two_stage(found: ForwardPass, image: Tensor, samples: list) -> None:
    """Backbone, neck and RPN on the image, then the RoI head on regions of its own choice or as many as papers count.

    mmdet's own forward takes the regions that the RPN proposes, whose number depends on its weights.
    """
    model = found.model
    _leave_out_what_is_not_counted(model.roi_head)
    rpn: Any = getattr(model, 'rpn_head', None)
    learned = hasattr(rpn, 'num_proposals')
    with found.counting():
        features = model.extract_feat(image)
        if rpn is not None and not learned:
            rpn(features)
        semantic = getattr(model, 'semantic_head', None)
        if semantic is not None:
            semantic(features)
    if learned:
        with found.counting():
            # The forward pass of such heads is one with losses, for which objects would be needed.
            model.roi_head.predict(features, rpn.predict(features, samples), samples)
        return
    for count, masks in ((BOX_ROIS, False), (MASK_ROIS, True)):
        with found.counting(masks):
            model.roi_head.forward(features, [_regions(count, image)], samples)


def _is_of_masks(name: str) -> bool:
    return name.startswith('roi_head.mask')


def _leave_out_what_is_not_counted(roi_head: nn.Module) -> None:
    """RoIAlign, which has no kernel on 'meta', and what makes masks and boxes of the heads' outputs."""

    def crops_of(extractor: Any) -> Callable:
        size = extractor.roi_layers[0].output_size
        return lambda features, rois, *_, **__: features[0].new_zeros(len(rois), extractor.out_channels, *size)

    module: Any
    for module in roi_head.modules():
        if hasattr(module, 'roi_layers'):
            module.forward = crops_of(module)
        if hasattr(module, 'predict_by_feat'):
            module.predict_by_feat = lambda *_, **__: []


def _regions(count: int, image: Tensor):
    from mmengine.structures import InstanceData

    height, width = image.shape[2:]
    corners = image.new_tensor([0, 0, width / 2, height / 2]).repeat(count, 1)
    return InstanceData(bboxes=corners, scores=corners[:, 0], labels=corners[:, 0].long())


def _samples(shape: tuple[int, int]) -> list:
    from mmdet.structures import DetDataSample

    return [
        DetDataSample(
            metainfo=dict(
                img_id=0,
                img_shape=shape,
                ori_shape=shape,
                pad_shape=shape,
                batch_input_shape=shape,
                scale_factor=(1.0, 1.0),
            )
        )
    ]


@contextmanager
def _fixed(model: nn.Module) -> Iterator[None]:
    """Has no parameter ask for gradients: FlopCounterMode fails where a module is called with one that does."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


def _lacks_values(error: BaseException | None) -> bool:
    return isinstance(error, NotImplementedError) or 'meta' in str(error).lower()


@contextmanager
def _formulas_of_torch() -> Iterator[None]:
    """Switches off a fused attention on a CPU whose products FlopCounterMode does not see."""
    switch = getattr(torch.backends, 'mha', None)
    if switch is None:
        yield
        return
    before = switch.get_fastpath_enabled()
    switch.set_fastpath_enabled(False)
    try:
        yield
    finally:
        switch.set_fastpath_enabled(before)
