"""The optional packages that charts and pictures need."""

import importlib
from types import ModuleType

from mmattn.errors import UserError

PACKAGES = {'pytorch_grad_cam': 'grad-cam', 'matplotlib': 'matplotlib'}


def require(module: str) -> ModuleType:
    """Imports a module of an optional package.

    Args:
        module: Name of the module, for instance 'pytorch_grad_cam.utils.image'.

    Raises:
        UserError: The package, or one that it needs, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = PACKAGES[module.partition('.')[0]]
        reason = '' if error.name == module else f' (it lacks {error.name})'
        raise UserError(
            f'charts and pictures need the package {package}, which is not installed{reason}; install it '
            "with: pip install 'mmattn[viz]'"
        ) from error
