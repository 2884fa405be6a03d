"""ResNet-164 for images of 32 x 32 pixels: three stages of 16, 32 and 64 planes."""

backbone = dict(type='mmattn.AttnResNet', depth=164, stem='cifar', base_channels=16, num_stages=3, out_indices=(2,))
