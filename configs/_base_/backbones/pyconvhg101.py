"""PyConvHGResNet-101, of highly grouped convolutions: twice the planes, expansion 2, groups of 32 and 64."""

_base_ = 'pyconv50.py'
backbone = dict(
    depth=101,
    base_channels=128,
    stem_channels=64,
    expansion=2,
    spatial=[
        dict(type='mmattn.PyConv', kernel_sizes=(3, 5, 7, 9), groups=(32, 32, 32, 32)),
        dict(type='mmattn.PyConv', kernel_sizes=(3, 5, 7), groups=(32, 64, 64), splits=(1, 1, 2)),
        dict(type='mmattn.PyConv', kernel_sizes=(3, 5), groups=(32, 64)),
        dict(type='mmattn.GroupedConv', groups=32),
    ],
)
pretrained = dict(checkpoint='checkpoints/pyconvhg101.pth')
