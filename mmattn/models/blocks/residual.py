"""Residual blocks, post-activation (He et al., Deep Residual Learning, arXiv:1512.03385).

Keys are torchvision's: conv1, bn1, conv2, bn2, (conv3, bn3,) downsample; beside them attn and plugins where
there are any. The norms keep these names whatever their type, so that checkpoints fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..attention.base import Attention
from .checkpointing import checkpointed
from .slots import add_plugins, build_attention, build_spatial, spatial_width


class ResidualBlock(BaseModule):
    """A residual block: ``relu(branch(x) + shortcut(x))``, (N, C_in, H, W) -> (N, C_out, H / stride, W / stride).

    A subclass builds its layers and defines `branch`, `positions` (where plugins may be) and `zero_init`.

    Args:
        in_channels: Number of channels of the input.
        planes: Base width of the stage.
        expansion: Number of output channels over planes.
        base_channels: Planes of the first stage.
        stride: Stride of the block.
        dilation: Dilation of its 3x3 convolution.
        style: 'pytorch' strides in the 3x3 convolution, 'caffe' in the first 1x1.
        downsample: Module that projects the shortcut, None for the identity.
        first_block: Whether the block is its stage's first.
        spatial: Config of what replaces the 3x3 convolution (see `slots`), None for a plain one.
        attn: Config or type of the attention on the branch's output, before the shortcut is added.
        plugins: ``dict(cfg=..., position='after_conv1' | 'after_conv2' | 'after_conv3')``, as in mmdet's ResNet.
        conv_cfg: Config of the convolutions, None for Conv2d.
        norm_cfg: Config of the norms.
        with_cp: Recompute the block in the backward pass instead of keeping its activations.
        zero_init_residual: Start with the branch at zero, so that the block starts as its shortcut.
        last_relu: Whether the sum passes a ReLU. Without it the block returns the residual sum, which is what
            attention over the depth of a stage works on.

    Raises:
        ValueError: a plugin is at a position which the block does not have.
    """

    positions: tuple[str, ...]
    default_expansion: int

    def __init__(
        self,
        in_channels: int,
        planes: int,
        *,
        expansion: int,
        base_channels: int = 64,
        stride: int = 1,
        dilation: int = 1,
        style: str = 'pytorch',
        downsample: nn.Module | None = None,
        first_block: bool = False,
        spatial: dict | None = None,
        attn: dict | str | None = None,
        plugins: Sequence[dict] = (),
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        last_relu: bool = True,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.zero_init_residual = zero_init_residual
        self.last_relu = last_relu
        self.has_spatial = spatial is not None
        self.conv_cfg = conv_cfg
        self.norm_cfg = norm_cfg or dict(type='BN')
        self.relu = nn.ReLU(inplace=True)
        self.build_layers(in_channels, planes, expansion, base_channels, stride, dilation, style, first_block, spatial)
        self.attn = build_attention(attn, planes * expansion)
        self.plugin_names = {
            position: add_plugins(self, [p['cfg'] for p in plugins if p['position'] == position], channels)
            for position, channels in zip(self.positions, self.position_channels, strict=True)
        }
        unknown = [p['position'] for p in plugins if p['position'] not in self.positions]
        if unknown:
            raise ValueError(f'{type(self).__name__} has no plugin position {unknown[0]!r}, only {self.positions}')
        self.downsample = downsample
        last = (
            [self.attn]
            if self.attn is not None
            else [getattr(self, name) for name in self.plugin_names[self.positions[-1]]]
        )
        self.ends_in_foreign = not all(isinstance(module, Attention) for module in last)

    def build_layers(
        self,
        in_channels: int,
        planes: int,
        expansion: int,
        base_channels: int,
        stride: int,
        dilation: int,
        style: str,
        first_block: bool,
        spatial: dict | None,
    ) -> None:
        """Adds the branch's layers and sets `position_channels`, the channels at each plugin position."""
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        """The residual branch up to its last norm."""
        raise NotImplementedError

    def zero_init(self) -> None:
        """Sets the branch's output to zero."""
        raise NotImplementedError

    def init_weights(self) -> None:
        super().init_weights()
        if self.zero_init_residual:
            self.zero_init()

    def forward(self, x: Tensor) -> Tensor:
        recompute = self.with_cp and torch.is_grad_enabled()
        out = checkpointed(self, self.residual_sum, x) if recompute else self.residual_sum(x)
        return self.relu(out) if self.last_relu else out

    def residual_sum(self, x: Tensor) -> Tensor:
        """Branch, with its attention, plus shortcut."""
        out = self.branch(x)
        if self.attn is not None:
            out = self.attn(out)
        shortcut = x if self.downsample is None else self.downsample(x)
        if self.ends_in_foreign:
            return out + shortcut  # a foreign module may need what it returned for its gradient
        out += shortcut
        return out

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        for i in (1, 2, 3):
            if getattr(self, f'conv{i}', None) is not None and getattr(self, f'bn{i}', None) is not None:
                yield f'conv{i}', f'bn{i}'

    def conv(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, dilation: int = 1
    ) -> Any:
        """A bias-free convolution that keeps the size at stride 1."""
        return build_conv_layer(
            self.conv_cfg,
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=False,
        )

    def norm(self, channels: int) -> Any:
        """The norm of `norm_cfg`, of whatever class it names."""
        return build_norm_layer(self.norm_cfg, channels)[1]

    def plugged(self, position: str, x: Tensor) -> Tensor:
        """Passes `x` through the plugins at `position`."""
        for name in self.plugin_names[position]:
            x = getattr(self, name)(x)
        return x


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions. The first strides; the spatial slot replaces the second."""

    positions = ('after_conv1', 'after_conv2')
    default_expansion = 1

    def build_layers(
        self, in_channels, planes, expansion, base_channels, stride, dilation, style, first_block, spatial
    ) -> None:
        out_channels = planes * expansion
        self.position_channels = (planes, out_channels)
        self.conv1 = self.conv(in_channels, planes, 3, stride, dilation)
        self.bn1 = self.norm(planes)
        self.conv2 = build_spatial(
            spatial,
            planes,
            out_channels,
            stride=1,
            dilation=1,
            first_block=first_block,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
        )
        self.bn2 = self.norm(out_channels)

    def branch(self, x: Tensor) -> Tensor:
        x = self.plugged('after_conv1', self.relu(self.bn1(self.conv1(x))))
        return self.plugged('after_conv2', self.bn2(self.conv2(x)))

    def zero_init(self) -> None:
        nn.init.zeros_(self.bn2.weight)


class Bottleneck(ResidualBlock):
    """1x1, 3x3 (or what is in the spatial slot) and 1x1 convolution."""

    positions = ('after_conv1', 'after_conv2', 'after_conv3')
    default_expansion = 4

    def build_layers(
        self, in_channels, planes, expansion, base_channels, stride, dilation, style, first_block, spatial
    ) -> None:
        width = spatial_width(spatial, planes, base_channels)
        stride1, stride2 = (stride, 1) if style == 'caffe' else (1, stride)
        self.position_channels = (width, width, planes * expansion)
        self.conv1 = self.conv(in_channels, width, stride=stride1)
        self.bn1 = self.norm(width)
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
        self.bn2 = None if getattr(self.conv2, 'norm_act', False) else self.norm(width)
        self.conv3 = self.conv(width, planes * expansion)
        self.bn3 = self.norm(planes * expansion)

    def branch(self, x: Tensor) -> Tensor:
        x = self.plugged('after_conv1', self.relu(self.bn1(self.conv1(x))))
        x = self.conv2(x)
        if self.bn2 is not None:
            x = self.relu(self.bn2(x))
        x = self.plugged('after_conv2', x)
        return self.plugged('after_conv3', self.bn3(self.conv3(x)))

    def zero_init(self) -> None:
        nn.init.zeros_(self.bn3.weight)
