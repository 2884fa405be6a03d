"""ResNet-50 with BAM after stages 1 to 3."""

backbone = dict(
    type='mmattn.AttnResNet', depth=50, depth_attn=[dict(type='mmattn.AfterStage', attn='mmattn.BAM')] * 3 + [None]
)
