"""Builds what a config on a page describes: ``read_config.py FILE``; a part of a config is laid over Mask R-CNN's."""

import sys
from pathlib import Path

import mmattn  # noqa: F401  isort: skip  before mmdet
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, DefaultScope

from mmattn.analysis.complexity.networks import build
from mmattn.engine import launch
from mmattn.engine.scope import scope_of

BASE = "_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'\n"


def main(path: Path) -> None:
    sys.path[0] = str(Path.cwd())
    text = path.read_text('utf-8')
    if '_base_' not in text:
        path.write_text(BASE + text, 'utf-8')
    cfg = launch.load_config(path)
    launch.register_modules(cfg)
    model = build(cfg.model, cfg)
    with DefaultScope.overwrite_default_scope(scope_of(cfg)):
        for hook in [*(cfg.get('custom_hooks') or []), cfg.default_hooks.checkpoint]:
            HOOKS.build({key: value for key, value in hook.items() if key != 'priority'})  # which is the runner's
        if cfg.get('optim_wrapper'):
            build_optim_wrapper(model, cfg.optim_wrapper)


main(Path(sys.argv[1]))
