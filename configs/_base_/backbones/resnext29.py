"""ResNeXt-29, 8c x 64w."""

backbone = dict(
    type='mmattn.AttnResNet',
    depth=29,
    stem='cifar',
    num_stages=3,
    out_indices=(2,),
    spatial=dict(type='mmattn.GroupedConv', base_width=64, groups=8),
)
