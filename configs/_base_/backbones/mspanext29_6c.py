"""MSPANeXt-29, 6c x 30w x 3s: a reading of its name, its authors published no code."""

backbone = dict(
    type='mmattn.AttnResNet',
    depth=29,
    stem='cifar',
    num_stages=3,
    out_indices=(2,),
    spatial=dict(type='mmattn.MSPA', base_width=30, groups=6),
)
