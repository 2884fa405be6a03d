"""The registry of everything in this package.

A child of mmengine's root registry: mm configs refer to what is registered here as ``type='mmattn.SDAResNet'``, from
any scope and without ``custom_imports``, because mmengine imports ``mmattn.registry`` when it meets the prefix.
"""

from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='mmattn', locations=['mmattn.models'])
HOOKS = Registry(
    'hook', parent=MMENGINE_HOOKS, scope='mmattn', locations=['mmattn.engine.hooks', 'mmattn.engine.fold_norms']
)
LOOPS = Registry('loop', parent=MMENGINE_LOOPS, scope='mmattn', locations=['mmattn.engine.resuming.loops'])
