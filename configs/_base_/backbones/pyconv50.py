"""PyConvResNet-50: one kernel size fewer from stage to stage; the first stage strides instead of a pooling stem."""

backbone = dict(
    type='mmattn.AttnResNet',
    depth=50,
    stem_pool=False,
    strides=(2, 2, 2, 2),
    max_down=True,
    spatial=[
        dict(type='mmattn.PyConv', kernel_sizes=(3, 5, 7, 9), groups=(1, 4, 8, 16)),
        dict(type='mmattn.PyConv', kernel_sizes=(3, 5, 7), groups=(1, 4, 8), splits=(1, 1, 2)),
        dict(type='mmattn.PyConv', kernel_sizes=(3, 5), groups=(1, 4)),
        None,
    ],
)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/pyconv50.pth', prefix='backbone.')
