"""EMA-ResNet-101."""

backbone = dict(type='mmattn.EMAResNet', depth=101)
