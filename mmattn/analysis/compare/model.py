"""The validation images of a run."""
from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmattn.engine import launch, preflight
from mmattn.engine.quiet import quiet
from mmattn.errors import UserError


def validation_images(cfg: Config, one_by_one: bool = False) -> DataLoader:
    """The run's own loader of its validation images.

    Args:
        one_by_one: with batches of one image, loaded in this process.

    Raises:
        UserError: if the data are missing.
    """
    preflight.check_data(cfg, ('val',))
    launch.register_modules(cfg)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    if cfg.get('val_dataloader') is None:
        raise UserError('the config has no val_dataloader, so there are no validation images')
    loader = dict(cfg.val_dataloader)
    if one_by_one:
        loader.update(batch_size=1, num_workers=0, persistent_workers=False)
        loader.pop('batch_sampler', None)
    with silent():
        return Runner.build_dataloader(loader, seed=0)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without the log lines of the mm libraries, and what pycocotools and they print."""
    with quiet(), contextlib.redirect_stdout(io.StringIO()):
        yield
