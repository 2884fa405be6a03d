"""What can replace the 3x3 convolution of a residual block.

The contract is in ``mmattn.models.blocks.slots``.
"""

from .grouped import grouped_conv
from .mspa import MSPA
from .psa import PSA
from .pyconv import PyConv
from .res2net import Res2NetConv

__all__ = ['MSPA', 'PSA', 'PyConv', 'Res2NetConv', 'grouped_conv']
