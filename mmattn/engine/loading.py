"""What a run loads: read as everywhere in this package, compared with the model, and said in one line.

mmengine reads fewer forms of checkpoints than the check before a run does, lists what does not fit over many lines of
the log, and goes on whatever that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.model import PretrainedInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import Runner
from torch import nn

from mmattn.errors import UserError, first_line
from mmattn.models.backbones import AttnResNet
from mmattn.weights.loading import misfit, read_checkpoint, unwrapped
from mmattn.weights.matching import HARMLESS, Mismatch, count_loaded, fill, first, prefix_that_fits, renamed
from mmattn.weights.pretrained import is_pretrained, load_pretrained
from mmattn.weights.schemes import safe_schemes

# What mmengine's `resume` needs besides the weights, and what it silently goes on without.
NEEDED = ('meta', 'message_hub')
SCHEDULE = {'optimizer': 'optimizer', 'param_schedulers': 'schedule of the learning rate'}


class Pretrained(PretrainedInit):
    """mmengine's initialiser for an ``init_cfg`` of this type, with the loading of `load_pretrained`."""

    def __call__(self, module: nn.Module) -> None:
        load_pretrained(module, self.checkpoint, self.prefix, self.map_location)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'Pretrained: loaded from {self.checkpoint}')


@contextmanager
def one_reader() -> Iterator[None]:
    """Has mmengine read all checkpoints by this package's reader, and load those of an ``init_cfg`` as it does.

    That concerns modules of all libraries, those too that load their checkpoint themselves by mmengine's functions, and
    runners of other classes than ours.
    """

    def register(initialiser: type) -> None:
        WEIGHT_INITIALIZERS.register_module('Pretrained', force=True, module=initialiser)

    before = WEIGHT_INITIALIZERS.get('Pretrained')
    register(Pretrained)
    try:
        with safe_schemes():
            yield
    finally:
        register(before)


class LoadingRunner(Runner):
    """mmengine's runner, which says in one line what of a checkpoint fits, and refuses one that does not.

    In training that is known as soon as the model is initialised, before data or optimiser are needed. `load_from` may
    fill a part of the model; a training goes on (`resume`) from a checkpoint that fits whole.
    """

    _resuming = False
    loading_notes: tuple[str, ...] = ()  # what was said of checkpoints that do not fit whole

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        with one_reader():  # for models that load another, their teacher
            return super().build_model(model)

    def _init_model_weights(self) -> None:
        for module in self.model.modules():
            _name_pretrained(module)
        with one_reader():
            super()._init_model_weights()
        source = self._load_from
        if source:
            differences = self._fill(read_checkpoint(source), source, self._resume)
            _train_what_is_missing(unwrapped(self.model), differences)

    def load_checkpoint(
        self,
        filename: str | Path,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = (),
    ) -> dict[str, Any]:
        """As mmengine's.

        Raises:
            UserError: The checkpoint cannot be read, nothing of it fits, or it does not fit whole where it has to:
                with `strict`, or when a training goes on from it.
        """
        content = read_checkpoint(filename, map_location)
        for pattern, replacement in revise_keys:
            content['state_dict'] = renamed(content['state_dict'], partial(re.sub, pattern, replacement))
        self._fill(content, filename, self._resuming, strict)
        self.call_hook('after_load_checkpoint', checkpoint=content)
        fill(unwrapped(self.model), content['state_dict'], filename)  # in which EMAHook changes weights
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return content

    def resume(self, filename: str | Path, *args, **options) -> None:
        """As mmengine's.

        Raises:
            UserError: The checkpoint cannot be read, does not fit the model, or lacks the state of a training.
        """
        self._resuming = True
        try:
            super().resume(str(filename), *args, **options)
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise UserError(
                f"cannot go on from '{filename}': the state of its training does not fit the config "
                f'({first_line(error)}); {_instead(filename)}'
            ) from error
        finally:
            self._resuming = False

    def _fill(self, content: dict[str, Any], source: str | Path, resuming: bool, strict: bool = False) -> Mismatch:
        """Loads what fits, says what does not, and returns it.

        Raises:
            UserError: Nothing fits; or something does not when a training goes on, or with `strict`.
        """
        model, state = unwrapped(self.model), content['state_dict']
        differences = fill(model, state, source).that_matters()
        if resuming:
            _check_training_state(content, source)
        loaded = count_loaded(state, differences)
        if differences.keys and (resuming or strict) or not loaded:
            what = (
                f"cannot go on from '{source}', which does not fit the model"
                if resuming
                else f"load_from '{source}' does not fit the model"
                if loaded
                else f"load_from: nothing of '{source}' fits the model"
            )
            raise UserError(
                f'{what} of the config ({misfit(model, state, differences)}); '
                f'{_instead(source) if resuming else _otherwise(model, state, source)}'
            )
        lines = [*_what_is_left(model, state, differences, loaded), *(_what_starts_anew(content) if resuming else ())]
        line = f'{"resume" if resuming else "load_from"} {source}: {"; ".join(lines)}'
        if lines and line not in self.loading_notes:  # a run loads what was loaded when it was built
            self.logger.warning(line)
            self.loading_notes += (line,)
        return differences


def _name_pretrained(module: Any) -> None:
    """Names mmengine's initialiser where a config of pure Python has the class, which no registry is asked for."""
    init_cfg = getattr(module, 'init_cfg', None)
    if not is_pretrained(init_cfg):
        return
    cfgs = [init_cfg] if isinstance(init_cfg, dict) else init_cfg or ()
    module.init_cfg = [{**cfg, 'type': 'Pretrained'} if cfg.get('type') is PretrainedInit else cfg for cfg in cfgs]
    if isinstance(init_cfg, dict):
        (module.init_cfg,) = module.init_cfg


def _train_what_is_missing(model: nn.Module, differences: Mismatch) -> None:
    """Has frozen stages train what no checkpoint gave them; those with one in their ``init_cfg`` have seen to it."""
    for name, module in model.named_modules():
        if isinstance(module, AttnResNet) and not is_pretrained(module.init_cfg):
            prefix = f'{name}.' if name else ''
            module.unfreeze(
                key.removeprefix(prefix)
                for key in (*differences.missing, *differences.reshaped)
                if key.startswith(prefix)
            )


def _check_training_state(content: dict[str, Any], source: str | Path) -> None:
    lacking = [key for key in NEEDED if not isinstance(content.get(key), dict)]
    if not lacking and not {'epoch', 'iter'} <= content['meta'].keys():
        lacking = ["meta' with 'epoch' and 'iter"]
    if lacking:
        raise UserError(
            f"cannot go on from '{source}', which holds weights without the state of a training (no "
            f"'{lacking[0]}'); {_instead(source)}"
        )


def _instead(source: str | Path) -> str:
    return (
        'go on with the config and a checkpoint of one training, or start a new one from these weights: '
        f"--cfg-options load_from='{source}'"
    )


def _otherwise(model: nn.Module, state: dict, source: str | Path) -> str:
    prefix, child, _ = prefix_that_fits(state, model.state_dict())
    if not (prefix or child):
        return 'name another checkpoint, or leave it out'
    cut = f", prefix='{prefix}'" if prefix else ''
    return (
        f"give model.{child}init_cfg=dict(type='Pretrained', checkpoint='{source}'{cut}) instead, or another checkpoint"
    )


def _what_is_left(model: nn.Module, state: dict, differences: Mismatch, loaded: int) -> Iterator[str]:
    if not differences.keys:
        return
    own = model.state_dict()
    yield f'loaded {loaded} of {sum(not HARMLESS.search(key) for key in own)} tensors of the model'
    if differences.missing:
        yield f'{len(differences.missing)} are not in it and stay as initialised: {first(differences.missing)}'
    if differences.reshaped:
        shapes = tuple(
            f'{key} {tuple(state[key].shape)}, here {tuple(own[key].shape)}' if key in state else key
            for key in differences.reshaped
        )
        yield f'{len(shapes)} are of another shape and stay as initialised: {first(shapes)}'
    if differences.unexpected:
        yield f'{len(differences.unexpected)} of it are unused: {first(differences.unexpected)}'


def _what_starts_anew(content: dict[str, Any]) -> Iterator[str]:
    for key, name in SCHEDULE.items():
        if key not in content:
            yield f'it holds no state of the {name}, which starts anew'
