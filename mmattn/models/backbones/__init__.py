"""The trunk and the networks that are settings of it."""
from .attn_resnet import AttnResNet
from .presets import SDAResNet

__all__ = ['AttnResNet', 'SDAResNet']
