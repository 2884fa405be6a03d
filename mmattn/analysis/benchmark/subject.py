"""What is measured: a network or module of this package, the network of a config, or anything else that is callable."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from torch import Tensor, nn

import mmattn.models  # noqa: F401  registers what is looked up here
from mmattn.analysis.complexity.networks import input_shape
from mmattn.engine.kinds import kind_of
from mmattn.engine.launch import load_config, register_modules
from mmattn.engine.scope import scope_of
from mmattn.errors import UserError, kind_and_text
from mmattn.models.backbones import AttnResNet
from mmattn.registry import MODELS

from .classifier import Classifier
from .random_weights import randomise
from .spec import Spec, parse_spec

Shapes = list[tuple[int, ...]]
MAP_SIZE = (28, 28)
# The head that is measured with a network of a kind; of a detector none is.
HEADS = {'classifier': 'head', 'segmentor': 'decode_head'}


@dataclass(frozen=True)
class Ours:
    """A registered network or module, or the network of a config.

    Args:
        text: Network or module as ``NAME``, ``NAME(options)`` or ``type=NAME,options``, or the path of a config.
        classes: Number of classes of the linear layer that makes a classifier of a backbone; 0 leaves it a backbone.
        changes: Arguments of the backbone that replace those of `text`.
    """

    text: str
    classes: int = 1000
    changes: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        name = Path(self.text).stem if self.is_config else self.text
        return name + ''.join(
            f', {key} {value}' if value is not None else f', without {key}' for key, value in self.changes.items()
        )

    @property
    def is_config(self) -> bool:
        return self.text.endswith('.py')

    @property
    def is_network(self) -> bool:
        """Whether there is a backbone, whose arguments can be changed."""
        return self.is_config or issubclass(_registered(parse_spec(self.text).name), AttnResNet)

    def changed(self, **changes) -> Ours:
        """The same with other arguments of its backbone."""
        return replace(self, changes={**self.changes, **changes})

    def build(self) -> nn.Module:
        """The model on the CPU, with random weights.

        Raises:
            UserError: There is no such thing, or its arguments do not fit.
        """
        if self.is_config:
            model: Any = self._of_config()
        else:
            spec = parse_spec(self.text)
            cls = _registered(spec.name)
            model = _call(cls, Spec(spec.name, spec.args, spec.options | self.changes), self.text)
            if self.classes and issubclass(cls, AttnResNet):
                if 'out_indices' not in spec.options:
                    # Feature maps of earlier stages would be kept for nothing.
                    model.out_indices, model.out_channels = model.out_indices[-1:], model.out_channels[-1:]
                model = Classifier(model, self.classes)
        randomise(model)
        return model

    def _of_config(self) -> nn.Module:
        cfg = load_config(self.text)
        if not cfg.get('model', {}).get('backbone'):
            raise UserError(f'{self.text} describes no model with a backbone')
        cfg.model.backbone.update(self.changes)
        register_modules(cfg)
        with DefaultScope.overwrite_default_scope(scope_of(cfg)):
            return OfConfig(_call(MODELS.build, Spec('build', (cfg.model,)), self.text))

    def shapes(self, model: nn.Module, batch: int, size: tuple[int, int] | None = None) -> Shapes:
        """Shapes of the inputs: images; for a module, as many feature maps as it takes.

        Args:
            model: Model that `build` returned.
            batch: Number of images.
            size: Height and width of the images in pixels, of a module's feature map in positions; None: 224 for
                networks, 32 for those for small images, what a config says, 28 for modules.
        """
        if self.is_network:
            backbone = getattr(model, 'backbone', model)
            first = next(m for m in backbone.modules() if isinstance(m, nn.Conv2d))
            return [(batch, first.in_channels, *(size or self._image_size(model, first)))]
        options = _arguments(model, parse_spec(self.text))
        channels = options.get('in_channels', options.get('channels'))
        if channels is None:
            raise UserError(
                f'{self.text} takes no in_channels: it is no module on feature maps and cannot be measured alone'
            )
        return [(batch, channels, *(size or MAP_SIZE))] * options.get('depth', 1)

    def _image_size(self, model: nn.Module, first: nn.Conv2d) -> tuple[int, int]:
        if isinstance(model, OfConfig):
            return input_shape(load_config(self.text), model.kind)
        return (32, 32) if first.stride == (1, 1) else (224, 224)


class OfConfig(nn.Module):
    """The model of a config as a function of images: all of a classifier or segmentor, a detector's backbone and neck.

    A detector's heads are the same whatever the backbone, and their time depends on the boxes they find. The auxiliary
    heads of a segmentor, for its training, are left out.
    """

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        self.kind = kind_of(model)
        self.backbone = model.backbone
        self.neck = getattr(model, 'neck', None)
        self.head = getattr(model, HEADS.get(self.kind, ''), None)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = self.backbone(x)
        if self.neck is not None:
            features = self.neck(features)
        return features if self.head is None else self.head(features)


@dataclass(frozen=True)
class Other:
    """Whatever a callable of another code base returns.

    Args:
        text: Callable as ``MODULE:CALLABLE`` or ``MODULE:CALLABLE(arguments)``.
        path: Folder to look for the module in, before all others.
        title: Name of it in the results; None: `text`.
    """

    text: str
    path: str | None = None
    title: str | None = None

    @property
    def name(self) -> str:
        return self.title or self.text

    def build(self) -> nn.Module:
        """The model on the CPU, with random weights.

        Raises:
            UserError: It cannot be imported or called.
        """
        module_name, colon, call = self.text.partition(':')
        if not colon:
            raise UserError(f'--against takes MODULE:CALLABLE, not {self.text!r}')
        spec = parse_spec(call)
        if self.path is not None:
            if not Path(self.path).is_dir():
                raise UserError(f"--against-path: no folder '{self.path}'")
            if str(self.path) not in sys.path:
                sys.path.insert(0, str(self.path))
        try:
            target: Any = importlib.import_module(module_name)
        except Exception as error:  # noqa: BLE001  foreign code may raise anything
            raise UserError(
                f'--against {self.text}: {module_name} cannot be imported ({kind_and_text(error)}); '
                'give its folder with --against-path'
            ) from error
        for name in spec.name.split('.'):
            if not hasattr(target, name):
                raise UserError(f'--against {self.text}: {module_name} has no {spec.name}')
            target = getattr(target, name)
        model = _call(target, spec, f'--against {self.text}')
        if not isinstance(model, nn.Module):
            raise UserError(f'--against {self.text} returned a {type(model).__name__}, not a torch module')
        randomise(model)
        return model


def _registered(name: str) -> type:
    name = name.removeprefix('mmattn.')
    known = MODELS.module_dict
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        guess = f'did you mean {close[0]}? ' if close else ''
        raise UserError(
            f'no network or module {name!r}; {guess}there are {", ".join(sorted(known))}, and configs (.py)'
        )
    return known[name]


def _call(function: Callable, spec: Spec, text: str) -> nn.Module:
    try:
        return function(*spec.args, **spec.options)
    except Exception as error:  # noqa: BLE001  whatever a constructor says about its arguments
        raise UserError(f'{text} cannot be built ({kind_and_text(error)})') from error


def _arguments(model: nn.Module, spec: Spec) -> dict:
    bound = inspect.signature(type(model)).bind(*spec.args, **spec.options)
    return dict(bound.arguments)
