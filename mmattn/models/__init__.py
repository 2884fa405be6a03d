"""Networks and modules. Importing this registers them all in scope ``mmattn``.

Needs torch, mmengine and ``mmcv.cnn`` only.
"""

from . import attention, backbones, depth, necks, spatial  # noqa: F401
