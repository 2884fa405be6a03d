"""The trunk: a ResNet with three slots, for spatial convolution, attention and depth attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.registry import MODELS
from mmattn.weights.pretrained import init_weights, is_pretrained, summary

from ..blocks import BasicBlock, Bottleneck, PreActBottleneck, Stage
from ..blocks.slots import fill_slot
from ..depth import AfterStage

BLOCKS = {'basic': BasicBlock, 'bottleneck': Bottleneck, 'preact': PreActBottleneck}

# depth -> block, blocks of each stage. 86 is SDA-xNet's; 29 and 164 are the three-stage networks for CIFAR.
ARCHITECTURES = {
    18: ('basic', (2, 2, 2, 2)),
    34: ('basic', (3, 4, 6, 3)),
    50: ('bottleneck', (3, 4, 6, 3)),
    86: ('bottleneck', (5, 6, 12, 5)),
    101: ('bottleneck', (3, 4, 23, 3)),
    152: ('bottleneck', (3, 8, 36, 3)),
    29: ('bottleneck', (3, 3, 3)),
    164: ('bottleneck', (18, 18, 18)),
}


@MODELS.register_module()
class AttnResNet(BaseModule):
    """ResNet whose blocks take any spatial convolution, any attention, and whose stages take attention over depth.

    With every slot empty its state_dict keys, and with the same weights its outputs, are torchvision's ResNet's.
    Arguments up to `init_cfg` mean what they mean in mmdet's ResNet.

    Images (N, in_channels, H, W) -> a tuple of feature maps, one for each of `out_indices`; strides 4, 8, 16, 32.

    Args:
        depth: 18, 34, 50, 86, 101, 152; 29 and 164 have three stages (CIFAR). None if `stage_blocks` is given.
        in_channels: Number of channels of the image.
        stem_channels: Number of output channels of the stem; None: `base_channels`.
        base_channels: Planes of the first stage; they double from stage to stage.
        num_stages: Number of stages to build; None: all.
        strides: Stride of each stage's first block; None: 1, 2, 2, ...
        dilations: Dilation of each stage; None: 1 throughout.
        out_indices: Stages whose outputs are returned, from 0; None: all. Stages behind the last of them have their
            keys, but are neither computed nor trained.
        style: 'pytorch' strides in the 3x3 convolution, 'caffe' in the first 1x1.
        deep_stem: Three 3x3 convolutions instead of the 7x7 (ResNet-C and -D).
        avg_down: Average pooling, then a 1x1 convolution of stride 1, where a shortcut is projected (ResNet-D).
        frozen_stages: The stem (from 0 on) and this many stages stay as loaded, in eval mode and without gradients;
            -1: none. What of them a checkpoint of `init_cfg` does not have, such as attention, is trained.
        conv_cfg: Config of the convolutions, None for Conv2d; not with `spatial`, whose convolutions are its own.
        norm_cfg: Config of the norms.
        norm_eval: Keep BatchNorm in eval mode in training (its statistics as loaded). Unlike mmdet's, False by default.
        with_cp: Recompute each block's activations in the backward pass: less memory, more time.
        zero_init_residual: Start each block as its shortcut; not done with `init_cfg` of type Pretrained.
        plugins: Attention layers in mmdet's form,
            ``dict(cfg=dict(type=...), stages=(False, True, True, True), position='after_conv3')``, for
            BasicBlock ('after_conv1', 'after_conv2') too.
        init_cfg: Initialisation as in mmengine; None: Kaiming normal (fan-out) for convolutions, 1 and 0 for norms.
            With type Pretrained it is an error if nothing of the checkpoint fits.
        contract_dilation: Halve the dilation of each stage's first block where it is above 1, as mmsegmentation does.
        dcn: Not supported (mmdet's deformable convolutions); the error says what to use instead.
        stage_with_dcn: Not supported, as `dcn`.
        multi_grid: Not supported (mmsegmentation's dilations within a stage); the error says what to use instead.
        pretrained: Not supported (the word for `init_cfg` before mmengine); the error says what to use instead.
        spatial: Config, or only the type as a string, of what replaces each block's 3x3 convolution, None for a
            plain one. `spatial`, `attn` and `depth_attn` may also be a sequence with one entry, or None, for each
            stage.
        attn: Config, or only the type as a string, of the attention on each block's last norm, before the shortcut is
            added.
        depth_attn: Config, or only the type as a string, of the attention over a stage's blocks.
        block: 'basic', 'bottleneck' or 'preact'; None: as `depth` has it.
        stage_blocks: Number of blocks of each stage; None: as `depth` has it.
        expansion: Number of output channels of a block over its planes; None: 1 for 'basic', 4 for the others.
        stem: 'imagenet' (7x7, stride 2, 3x3 max-pooling) or 'cifar' (3x3, stride 1).
        stem_pool: Whether the ImageNet stem ends in max-pooling.
        max_down: 3x3 max-pooling, then a 1x1 convolution of stride 1, where a strided shortcut is projected (PyConv).

    Raises:
        ValueError: an argument is unknown, its length is not the number of stages, or a module is in a slot that it
            does not go into.

    Examples:
        >>> import torch
        >>> net = AttnResNet(depth=18, attn='mmattn.SE', depth_attn=dict(type='mmattn.SDA')).eval()
        >>> [tuple(x.shape) for x in net(torch.rand(1, 3, 64, 64))]
        [(1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]
    """

    def __init__(
        self,
        depth: int | None = 50,
        in_channels: int = 3,
        stem_channels: int | None = None,
        base_channels: int = 64,
        num_stages: int | None = None,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        out_indices: Sequence[int] | None = None,
        style: str = 'pytorch',
        deep_stem: bool = False,
        avg_down: bool = False,
        frozen_stages: int = -1,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        plugins: Sequence[dict] | None = None,
        init_cfg: dict | list[dict] | None = None,
        *,
        contract_dilation: bool = False,
        dcn: dict | None = None,
        stage_with_dcn: Sequence[bool] | None = None,
        multi_grid: Sequence[int] | None = None,
        pretrained: str | None = None,
        spatial: dict | str | Sequence[dict | str | None] | None = None,
        attn: dict | str | Sequence[dict | str | None] | None = None,
        depth_attn: dict | str | Sequence[dict | str | None] | None = None,
        block: str | None = None,
        stage_blocks: Sequence[int] | None = None,
        expansion: int | None = None,
        stem: str = 'imagenet',
        stem_pool: bool = True,
        max_down: bool = False,
    ) -> None:
        super().__init__(
            init_cfg
            or [dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])]
        )
        _refuse_unsupported(
            dcn=dcn, stage_with_dcn=any(stage_with_dcn or ()), multi_grid=multi_grid, pretrained=pretrained
        )
        block, stage_blocks = _architecture(depth, block, stage_blocks)
        num_stages = len(stage_blocks) if num_stages is None else num_stages
        if not 1 <= num_stages <= len(stage_blocks):
            raise ValueError(f'num_stages is {num_stages}, but depth {depth} has {len(stage_blocks)} stages')
        strides = _per_stage('strides', strides or (1,) + (2,) * (num_stages - 1), num_stages)
        dilations = _per_stage('dilations', dilations or 1, num_stages)
        spatial = _per_stage('spatial', spatial, num_stages)
        attn = _per_stage('attn', attn, num_stages)
        depth_attn = _per_stage('depth_attn', depth_attn, num_stages)
        out_indices = tuple(range(num_stages)) if out_indices is None else tuple(sorted(out_indices))
        _check(style in ('pytorch', 'caffe'), f"style is 'pytorch' or 'caffe', not {style!r}")
        _check(stem in ('imagenet', 'cifar'), f"stem is 'imagenet' or 'cifar', not {stem!r}")
        _check(not (deep_stem and stem == 'cifar'), "deep_stem goes with stem='imagenet'")
        _check(not (avg_down and max_down), 'avg_down and max_down exclude each other')
        _check(
            all(0 <= i < num_stages for i in out_indices),
            f'out_indices {out_indices} reach past the {num_stages} stages (numbered from 0)',
        )
        _check(
            -1 <= frozen_stages <= num_stages,
            f'frozen_stages is {frozen_stages}; it goes from -1 (none) to {num_stages} (all stages)',
        )

        _check(
            _is_plain(conv_cfg) or not any(spatial),
            f'conv_cfg {conv_cfg} does not reach the convolutions of {next(filter(None, spatial), None)} in the '
            'slot spatial: leave one of them out',
        )

        self.out_indices = out_indices
        self.strides = strides
        self.frozen_stages = frozen_stages
        self.conv_cfg = conv_cfg
        self.norm_cfg = norm_cfg or dict(type='BN', requires_grad=True)
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        self.avg_down, self.max_down = avg_down, max_down
        self.preact = block == 'preact'

        self.stem_channels = channels = stem_channels or base_channels
        self._build_stem(in_channels, channels, stem, deep_stem, stem_pool)
        block_class = BLOCKS[block]
        expansion = expansion or block_class.default_expansion
        block_options: dict[str, Any] = dict(
            expansion=expansion,
            base_channels=base_channels,
            style=style,
            conv_cfg=conv_cfg,
            norm_cfg=self.norm_cfg,
            with_cp=with_cp,
            zero_init_residual=zero_init_residual and not is_pretrained(init_cfg),
        )
        self.stage_names, self.stage_channels = [], []
        for i in range(num_stages):
            planes = base_channels * 2**i
            blocks = [
                block_class(
                    channels if first else planes * expansion,
                    planes,
                    first_block=first,
                    stride=strides[i] if first else 1,
                    spatial=spatial[i],
                    attn=attn[i],
                    dilation=max(1, dilations[i] // 2) if first and contract_dilation else dilations[i],
                    last_relu=depth_attn[i] is None,
                    plugins=_plugins_of_stage(plugins, i, num_stages),
                    downsample=self._downsample(channels, planes * expansion, strides[i]) if first else None,
                    **block_options,
                )
                for first in [True] + [False] * (stage_blocks[i] - 1)
            ]
            channels = planes * expansion
            self.stage_channels.append(channels)
            self.stage_names.append(f'layer{i + 1}')
            depth_attention = self._depth_attention(depth_attn[i], channels, len(blocks))
            self.add_module(self.stage_names[-1], Stage(blocks, depth_attention, relu=not self.preact))
        # The sum of a pre-activation network's last block has passed neither norm nor activation yet.
        self.bn = build_norm_layer(self.norm_cfg, channels)[1] if self.preact else None
        self.out_channels = tuple(self.stage_channels[i] for i in out_indices)
        # stages that no output is computed from, and the norm behind them
        self.unread = self.stage_names[max(out_indices, default=-1) + 1 :]
        if self.unread and self.preact:
            self.unread = [*self.unread, 'bn']
        self.unfrozen: list[str] = []  # modules of frozen stages that no checkpoint had
        self._freeze_stages()

    def _build_stem(self, in_channels: int, channels: int, stem: str, deep_stem: bool, stem_pool: bool) -> None:
        def conv(c_in: int, c_out: int, size: int, stride: int) -> nn.Module:
            return build_conv_layer(self.conv_cfg, c_in, c_out, size, stride=stride, padding=size // 2, bias=False)

        def norm(c: int) -> nn.Module:
            return build_norm_layer(self.norm_cfg, c)[1]

        self.deep_stem = deep_stem
        if deep_stem:
            half = channels // 2
            self.stem = nn.Sequential(
                conv(in_channels, half, 3, 2),
                norm(half),
                nn.ReLU(inplace=True),
                conv(half, half, 3, 1),
                norm(half),
                nn.ReLU(inplace=True),
                conv(half, channels, 3, 1),
                norm(channels),
                nn.ReLU(inplace=True),
            )
        else:
            self.conv1 = conv(in_channels, channels, 3, 1) if stem == 'cifar' else conv(in_channels, channels, 7, 2)
            if not self.preact:
                self.bn1 = norm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == 'imagenet' and stem_pool else nn.Identity()

    def _downsample(self, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
        """The projection of a stage's first shortcut, None where the identity fits."""
        if stride == 1 and in_channels == out_channels:
            return None
        layers: list[nn.Module] = []
        if self.avg_down:
            layers.append(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False))
        elif self.max_down and stride > 1:
            layers.append(nn.MaxPool2d(3, stride, 1))
        layers.append(
            build_conv_layer(self.conv_cfg, in_channels, out_channels, 1, stride=1 if layers else stride, bias=False)
        )
        if not self.preact:
            layers.append(build_norm_layer(self.norm_cfg, out_channels)[1])
        return nn.Sequential(*layers)

    def _depth_attention(self, cfg: dict | str | None, channels: int, depth: int) -> nn.Module | None:
        if cfg is None:
            return None
        module = fill_slot('depth_attn', cfg, channels=channels, depth=depth, norm_cfg=self.norm_cfg)
        _check(
            not (self.preact and isinstance(module, AfterStage)),
            "AfterStage attends to a stage's output after ReLU, which pre-activation blocks do not have: use attn, "
            'or another depth_attn such as mmattn.SDA',
        )
        return module

    def _stem_modules(self) -> list[nn.Module]:
        return [m for name, m in self.named_children() if name in ('stem', 'conv1', 'bn1')]

    def _freeze_stages(self) -> None:
        for name in self.unread:  # a distributed run waits for gradients of everything that is trained
            getattr(self, name).requires_grad_(False)
        if self.frozen_stages < 0:
            return
        trained = [self.get_submodule(name) for name in self.unfrozen]
        kept = {parameter for module in trained for parameter in module.parameters()}
        for module in self._stem_modules() + [getattr(self, name) for name in self.stage_names[: self.frozen_stages]]:
            module.eval()
            for parameter in module.parameters():
                if parameter not in kept:
                    parameter.requires_grad = False
        for module in trained:
            module.train(self.training)

    def init_weights(self) -> None:
        """Initialises as `init_cfg` says.

        One log line says what a checkpoint in it gave, and one names the modules of frozen stages that it lacks, which
        are trained. In a distributed run this has to come before the network is wrapped, as in ``tools/train.py``: the
        wrapper synchronises only what is trainable by then.

        Raises:
            UserError: the checkpoint cannot be read, or nothing of it fits.
        """
        missing = init_weights(self, super().init_weights)
        self.unfreeze(missing)
        if self.unread:
            print_log(
                f'{type(self).__name__}: out_indices={self.out_indices} leave {", ".join(self.unread)} without '
                'use: neither computed nor trained; a smaller num_stages would not build it',
                'current',
            )

    def unfreeze(self, missing: Iterable[str]) -> None:
        """Has what no checkpoint has given weights to in frozen stages trained, and says so in one log line.

        Args:
            missing: Keys of the state dict that the checkpoint lacks.
        """
        frozen = tuple(f'{name}.' for name in self.stage_names[: max(0, self.frozen_stages)] if name not in self.unread)
        unfrozen = sorted({_part(key) for key in missing if key.startswith(frozen)}) if frozen else []
        if unfrozen:
            self.unfrozen = unfrozen
            for name in unfrozen:
                self.get_submodule(name).requires_grad_()
            print_log(
                f'{type(self).__name__}: frozen_stages={self.frozen_stages}, but the checkpoint lacks '
                f'{summary(f"{name}." for name in self.unfrozen)} there, which stay trainable',
                'current',
            )
            self._freeze_stages()

    def train(self, mode: bool = True) -> AttnResNet:
        """As ``nn.Module.train``, but frozen stages and, with `norm_eval`, BatchNorm stay in eval mode."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        if not (self.deep_stem or self.preact):
            yield 'conv1', 'bn1'

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.deep_stem:
            x = self.stem(x)
        elif self.preact:
            x = self.conv1(x)
        else:
            x = self.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(x)
        outs = []
        for i, name in enumerate(self.stage_names):
            if name in self.unread:
                break
            x = getattr(self, name)(x)
            if i in self.out_indices:
                outs.append(x)
        if self.bn is not None and len(self.stage_names) - 1 in self.out_indices:
            outs[-1] = self.relu(self.bn(outs[-1]))
        return tuple(outs)


# Arguments of mmdet's and mmsegmentation's ResNet that this trunk cannot honour, and what to use instead.
UNSUPPORTED = {
    'dcn': "take mmdet's ResNet for deformable convolutions, and put attention into it by "
    "plugins=[dict(cfg=dict(type='mmattn.EMA'), position='after_conv3')]",
    'multi_grid': 'give each stage one dilation by dilations',
    'pretrained': "give init_cfg=dict(type='Pretrained', checkpoint=…), and pretrained=None to a model that hands it "
    'on',
}
UNSUPPORTED['stage_with_dcn'] = UNSUPPORTED['dcn']


def _refuse_unsupported(**given) -> None:
    for name, value in given.items():
        _check(not value, f'{name} is not supported by this backbone: {UNSUPPORTED[name]}')


def _is_plain(conv_cfg: dict | None) -> bool:
    return conv_cfg is None or conv_cfg.get('type') in (None, 'Conv2d', 'Conv')


def _part(key: str) -> str:
    """The part of a block or stage that a key belongs to: 'layer1.0.attn' for 'layer1.0.attn.fc1.weight'."""
    parts = key.split('.')
    return '.'.join(parts[: 3 if parts[1].isdigit() else 2])


def _architecture(
    depth: int | None, block: str | None, stage_blocks: Sequence[int] | None
) -> tuple[str, tuple[int, ...]]:
    if stage_blocks is None or block is None:
        if depth not in ARCHITECTURES and not (depth is None and stage_blocks is not None):
            raise ValueError(f'depth {depth} is none of {sorted(ARCHITECTURES)}: give stage_blocks for another')
        known_block, known_stages = ('bottleneck', ()) if depth is None else ARCHITECTURES[depth]
        block, stage_blocks = block or known_block, stage_blocks or known_stages
    if block not in BLOCKS:
        raise ValueError(f'block {block!r} is none of {sorted(BLOCKS)}')
    return block, tuple(stage_blocks)


def _per_stage(name: str, value, num_stages: int) -> tuple:
    """`value` for each stage: as it is if it is a sequence, else the same for all."""
    if not isinstance(value, (list, tuple)):
        return (value,) * num_stages
    if len(value) != num_stages:
        raise ValueError(f'{name} has {len(value)} entries for {num_stages} stages')
    return tuple(value)


def _plugins_of_stage(plugins: Sequence[dict] | None, stage: int, num_stages: int) -> list[dict]:
    chosen = []
    for plugin in plugins or ():
        unknown = set(plugin) - {'cfg', 'stages', 'position'}
        if unknown or not {'cfg', 'position'} <= set(plugin):
            raise ValueError(
                "a plugin is dict(cfg=dict(type=...), position='after_conv3') and may have "
                f'stages=(bool, ...), not {dict(plugin)}'
            )
        if _per_stage("a plugin's stages", plugin.get('stages') or True, num_stages)[stage]:
            chosen.append(plugin)
    return chosen


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
