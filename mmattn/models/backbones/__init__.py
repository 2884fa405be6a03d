"""The trunk and the networks that are settings of it."""
from .attn_resnet import AttnResNet
from .presets import EMAResNet, EPSANet, MSPANet, SDAResNet, SPEMResNet

__all__ = ['AttnResNet', 'EMAResNet', 'EPSANet', 'MSPANet', 'SDAResNet', 'SPEMResNet']
