"""The trained network of a run, with its validation images."""
from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner, load_checkpoint
from torch import nn
from torch.utils.data import DataLoader

from mmattn.analysis.complexity.networks import quiet
from mmattn.engine import launch, preflight
from mmattn.errors import UserError


def load_model(cfg: Config, checkpoint: Path, device: str) -> nn.Module:
    """The network with the weights of its training, in eval mode.

    Raises:
        UserError: if the library of the config is missing, or the checkpoint is damaged or of another network.
    """
    launch.register_modules(cfg)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:  # where mmpretrain's configs have it
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with silent():
        network = MODELS.build(model)
        try:
            load_checkpoint(network, str(checkpoint), map_location='cpu', strict=True)
        except (RuntimeError, EOFError, OSError, KeyError, pickle.UnpicklingError) as error:
            raise UserError(f"the checkpoint '{checkpoint}' is damaged, or is not of the network of the config "
                            f'({" ".join(str(error).split())[:100]})') from error
    return network.to(device).eval()


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
