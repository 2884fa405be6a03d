"""A trained model as the two modules that are exported: what prepares images, and the network."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sympy
import torch
from mmengine.config import Config
from torch import Tensor, nn

import mmattn
from mmattn.analysis.runs.class_colors import class_colors
from mmattn.analysis.runs.tested_data import ClassNames, palette_of, transforms_of
from mmattn.engine.trained import Trained
from mmattn.errors import UserError
from mmattn.export.pipeline import before_of, pixels_of
from mmattn.export.pixels import Pixels
from mmattn.export.supported import network_graph, task_of
from mmattn.inference import prepare

# Largest side and number of images that the graphs are told of.
SIDE, COUNT = 2**15, 2**12
# Sides of the images that the graphs are traced with, and the least that the exporter is told of: no feature map has a
# side of one, which would be taken for fixed, or have it refuse the network, as the memory format depends on it. The
# graph is right for smaller ones, too.
TRACED, LEAST = (320, 416), 160
# Assertions that the exporter makes of what it found at the size traced with, and of sizes that are counted in 64 bits.
ASSERTIONS = (
    'aten._assert_scalar.default',
    'aten._assert_tensor_metadata.default',
    'aten.sym_constrain_range_for_size.default',
)
OUTPUTS = {
    'classes': ('logits', 'scores'),
    'boxes': ('boxes', 'scores', 'labels'),
    'masks': ('boxes', 'scores', 'labels', 'masks'),
    'labels': ('labels',),
}


class GivenToo(nn.Module):
    """What prepares images, with the images themselves as one more output, for the network behind it."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return (*self.pixels(images), images.clone())


@dataclass(frozen=True)
class Module:
    """A module with what exporters want to know of it.

    Args:
        module: Module in eval mode.
        inputs: An example of each input by its name.
        outputs: Names of the outputs.
        sizes: Free dimensions of the inputs by their names.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    sizes: Mapping[str, Mapping[int, object]]

    def program(self) -> torch.export.ExportedProgram:
        """The module as a graph of PyTorch's operators."""
        with torch.no_grad():
            program = torch.export.export(
                self.module,
                tuple(self.inputs.values()),
                dynamic_shapes=tuple(dict(self.sizes[name]) if name in self.sizes else None for name in self.inputs),
                strict=False,
                # What does not hold at every size, though the graph does, such as that no side is one.
                prefer_deferred_runtime_asserts_over_guards=True,
            )
        graph = program.graph_module.graph
        for node in list(graph.nodes):
            if node.op == 'call_function' and str(node.target) in ASSERTIONS:
                graph.erase_node(node)
            elif node.op == 'placeholder' and isinstance(node.meta.get('val'), Tensor):
                _free(program, node.meta['val'])
        graph.eliminate_dead_code()
        program.graph_module.recompile()
        return program


def _free(program: torch.export.ExportedProgram, value: Tensor) -> None:
    """Has a program take an input down to a side of one."""
    constraints = program.range_constraints
    for size in value.shape:
        side = getattr(getattr(size, 'node', None), 'expr', sympy.Integer(1))
        for known in constraints.keys() & {side, *side.free_symbols}:  # a multiple, and what it is a multiple of
            constraints[known] = type(constraints[known])(1, constraints[known].upper)


@dataclass(frozen=True)
class Parts:
    """A model to export.

    Args:
        pixels: What prepares images.
        network: The network, whose inputs are outputs of `pixels`.
        info: What the file will say about itself.
    """

    pixels: Module
    network: Module
    info: dict = field(repr=False)


def parts_of(
    cfg: Config, trained: Trained, checkpoint: str | Path, resized: bool = True, scores: bool = False
) -> Parts:
    """The parts of a trained model.

    Args:
        cfg: Config of the model.
        trained: Model, as it was loaded.
        checkpoint: Path or address of its weights, for what the file says about itself.
        resized: Whether the test pipeline is in the file. Without, the file takes images of the size that the network
            sees.
        scores: Whether the file of a segmentor has the probability of each pixel's class, too.

    Raises:
        UserError: The model or its test pipeline cannot be exported.
    """
    # Memory formats and chunks are for PyTorch on a CPU; they are no part of what is computed.
    network = network_graph(prepare(trained.model, memory_format=False, chunks=False), scores).eval()
    task = task_of(trained.model)
    if scores and task != 'labels':
        raise UserError(f'{type(trained.model).__name__} is no segmentor, which --scores is for; leave it out')
    several = not hasattr(trained.model, 'roi_head')
    before = before_of(cfg) if resized else ()
    pixels = pixels_of(cfg, trained.model, resized and not before).eval()

    count = 2 if several else 1
    images = torch.randint(0, 256, (count, *TRACED, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Dim = torch.export.Dim  # which PyTorch before 2.2 has not, and this file is imported there, too
    given = {1: Dim('h', min=1, max=SIDE), 2: Dim('w', min=1, max=SIDE)}
    divisor = pixels.divisor
    least, most = -(-LEAST // divisor), SIDE // divisor
    sides = {axis: divisor * Dim(name, min=least, max=most) for axis, name in ((2, 'H'), (3, 'W'))}
    if several:
        given[0], sides[0] = Dim('n', min=1, max=COUNT), Dim('N', min=1, max=COUNT)
    inputs = dict(
        x=torch.rand(count, 3, *(-(-side // divisor) * divisor for side in TRACED)),
        size=torch.tensor(TRACED, dtype=torch.float32),
        scale=torch.ones(2),
        given=images,
    )
    one_stage = task == 'boxes' and several
    wanted = ('x',) if task == 'classes' else ('x', 'size', 'scale') if one_stage else tuple(inputs)
    outputs = OUTPUTS[task] + (('image',) if one_stage else ()) + (('scores',) if scores else ())
    return Parts(
        Module(GivenToo(pixels), dict(images=images), tuple(inputs), dict(images=given)),
        Module(
            network,
            {name: inputs[name] for name in wanted},
            outputs,
            {name: sizes for name, sizes in (('x', sides), ('given', given)) if name in wanted},
        ),
        dict(
            _info(cfg, trained, checkpoint, task, before, resized),
            inputs=len(wanted),
            outputs=list(outputs),
            one_by_one=not several,
            side=_side(cfg),
        ),
    )


def _info(
    cfg: Config, trained: Trained, checkpoint: str | Path, task: str, before: tuple[dict, ...], resized: bool
) -> dict:
    model: Any = trained.model
    named = ClassNames.of(trained.classes, cfg)
    count = max(len(named), model.decode_head.num_classes) if task == 'labels' else len(named)
    names = [named.name(label) for label in range(count)]
    palette = dict(palette=class_colors(names, palette_of(trained.palette, cfg))) if task == 'labels' else {}
    settings = model.roi_head.test_cfg if hasattr(model, 'roi_head') else getattr(model, 'test_cfg', None) or {}
    return dict(
        task=task,
        model=type(model).__name__,
        classes=names,
        **palette,
        before=list(before),
        resized=resized,
        thresholds={key: settings[key] for key in ('score_thr', 'mask_thr_binary', 'max_per_img') if key in settings}
        | ({'nms_iou': settings['nms']['iou_threshold']} if settings.get('nms') else {}),
        config=Path(cfg.filename).name,
        config_sha256=hashlib.sha256(cfg.pretty_text.encode()).hexdigest(),
        checkpoint=Path(str(checkpoint)).name,
        weights_sha256=_weights_hash(model),
        precision='float32',
        versions=dict(mmattn=mmattn.__version__, torch=torch.__version__),
        commit=_commit(),
    )


def _side(cfg: Config) -> int:
    """Side of the images that the test pipeline makes or, where it makes none, of small images as CIFAR's."""
    sizes = [step.get('crop_size', step.get('scale')) for step in transforms_of(cfg)]
    numbers = [size if isinstance(size, int) else min(size) for size in sizes if size is not None]
    return numbers[-1] if numbers else 32


def _weights_hash(model: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _commit() -> str | None:
    """Commit of the code, with '+' where it was changed; None outside a checkout."""
    root = Path(mmattn.__file__).resolve().parents[1]
    try:
        found = subprocess.run(
            ['git', '-C', str(root), 'describe', '--always', '--dirty=+', '--exclude=*'],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if (root / '.git').exists() and not found.returncode else None
