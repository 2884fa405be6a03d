"""Tests with a copy of the model that is prepared for inference, by a hook."""

from typing import Any

from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmattn.inference import prepare
from mmattn.registry import HOOKS


@HOOKS.register_module()
class PrepareHook(Hook):
    """Tests on a CPU with ``mmattn.prepare(model)``, which is faster and equal up to rounding.

    The copy is made after the weights are loaded and after other hooks (an averaged model's, say) have changed them,
    and is gone after the test. On other devices, and in validations during a training, nothing changes.

    Examples:
        >>> custom_hooks = [dict(type='mmattn.PrepareHook')]
    """

    # After EMAHook (NORMAL), which puts the averaged weights into the model before a test.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._model: Any = None

    def before_test_epoch(self, runner) -> None:
        if get_device() != 'cpu':
            return
        self._model = runner.model
        # The wrapper of a distributed run has no part in a test but to pass it on.
        runner.model = prepare(self._model.module if is_model_wrapper(self._model) else self._model)

    def after_test_epoch(self, runner, metrics=None) -> None:
        if self._model is not None:
            runner.model, self._model = self._model, None
