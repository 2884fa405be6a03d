"""Pre-activation bottleneck (He et al., Identity Mappings in Deep Residual Networks, arXiv:1603.05027).

Norm and ReLU come before each convolution, so the sum itself is the block's output and the shortcut's projection is a
bare convolution of the raw input. Keys: bn1, conv1, bn2, conv2, bn3, conv3, downsample.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from .residual import Bottleneck
from .slots import build_spatial, spatial_width


class PreActBottleneck(Bottleneck):
    """Norm, ReLU, 1x1; norm, ReLU, 3x3 (or what is in the spatial slot); norm, ReLU, 1x1.

    Raises:
        ValueError: the spatial module brings its own norm and activation, which only a post-activation block can host.
    """

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **(options | dict(last_relu=False)))

    def build_layers(
        self, in_channels, planes, expansion, base_channels, stride, dilation, style, first_block, spatial
    ) -> None:
        width = spatial_width(spatial, planes, base_channels)
        stride1, stride2 = (stride, 1) if style == 'caffe' else (1, stride)
        self.position_channels = (width, width, planes * expansion)
        self.bn1 = self.norm(in_channels)
        self.conv1 = self.conv(in_channels, width, stride=stride1)
        self.bn2: nn.Module = self.norm(width)
        self.conv2 = build_spatial(
            spatial,
            width,
            width,
            stride=stride2,
            dilation=dilation,
            first_block=first_block,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
        )
        if getattr(self.conv2, 'norm_act', False):
            raise ValueError(f'{type(self.conv2).__name__} ends in its own norm and activation: use a Bottleneck')
        self.bn3 = self.norm(width)
        self.conv3 = self.conv(width, planes * expansion)

    def branch(self, x: Tensor) -> Tensor:
        x = self.plugged('after_conv1', self.conv1(self.relu(self.bn1(x))))
        x = self.plugged('after_conv2', self.conv2(self.relu(self.bn2(x))))
        return self.plugged('after_conv3', self.conv3(self.relu(self.bn3(x))))

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        for i in (1, 2):  # the norm is of the next convolution's input
            if not self.plugin_names[f'after_conv{i}']:
                yield f'conv{i}', f'bn{i + 1}'

    def zero_init(self) -> None:
        nn.init.zeros_(self.conv3.weight)
