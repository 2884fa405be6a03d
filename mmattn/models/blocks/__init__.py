"""The residual blocks and the stage that chains them."""

from .preact import PreActBottleneck
from .residual import BasicBlock, Bottleneck, ResidualBlock
from .stage import Stage

__all__ = ['BasicBlock', 'Bottleneck', 'PreActBottleneck', 'ResidualBlock', 'Stage']
