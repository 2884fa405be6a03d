"""The trunk and the networks that are settings of it."""

from .attention_on import attention_on
from .attn_resnet import AttnResNet
from .presets import EMAResNet, EPSANet, MSPANet, SDAResNet, SPEMResNet

__all__ = ['AttnResNet', 'EMAResNet', 'EPSANet', 'MSPANet', 'SDAResNet', 'SPEMResNet', 'attention_on']
