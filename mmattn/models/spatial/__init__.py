"""What can stand for the 3x3 convolution of a residual block; the contract is in ``mmattn.models.blocks.slots``."""
from .grouped import GroupedConv

__all__ = ['GroupedConv']
