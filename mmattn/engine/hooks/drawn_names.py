"""Names and colours of classes that the visualizers of mmdet and mmpretrain can draw, by a hook."""

from __future__ import annotations

import colorsys

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmattn.engine.drawn_text import drawable, without_formulas
from mmattn.registry import HOOKS

# Steps of the golden angle keep neighbours apart.
HUE_STEP = 0.618


@HOOKS.register_module()
class DrawnNamesHook(Hook):
    """Has predictions drawn whatever the classes are called, and however many colours their palette has.

    The visualizers end the run at a name that matplotlib takes for a formula (``$\\frac{$``) and at a class beyond the
    palette, and draw boxes for letters that their font lacks. Names are drawable after this, and missing colours added,
    for the visualizer alone.

    Examples:
        >>> custom_hooks = [dict(type='mmattn.DrawnNamesHook')]
    """

    # Before VisualizationHook (NORMAL).
    priority = 'HIGH'

    def __init__(self) -> None:
        self._prepared: dict | None = None

    def before_train(self, runner) -> None:
        self._prepare(runner)

    def before_val(self, runner) -> None:
        self._prepare(runner)

    def before_test(self, runner) -> None:
        self._prepare(runner)

    def _prepare(self, runner) -> None:
        meta = runner.visualizer.dataset_meta if is_main_process() else None
        if meta and meta is not self._prepared:
            runner.visualizer.dataset_meta = self._prepared = drawable_meta(meta)


def drawable_meta(meta: dict) -> dict:
    """The meta information of a data set, with names and colours for each class that can be drawn.

    Args:
        meta: Meta information as mmengine's data sets have it; without 'classes' it is returned as it is.
    """
    classes, palette = meta.get('classes'), meta.get('palette')
    if not classes or isinstance(classes, str):
        return meta
    changed = dict(meta, classes=tuple(without_formulas(drawable(str(name))) for name in classes))
    if isinstance(palette, (list, tuple)):
        changed['palette'] = [*map(tuple, palette), *map(_color, range(len(palette), len(classes)))]
    return changed


def _color(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(HUE_STEP * number % 1, 0.8, 1)
    return round(255 * red), round(255 * green), round(255 * blue)
