"""FcaNet-50 with 16 frequencies: the size of the cosine transform halves from stage to stage."""

backbone = dict(
    type='mmattn.AttnResNet', depth=50, attn=[dict(type='mmattn.FCA', dct_size=size) for size in (56, 28, 14, 7)]
)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/fcanet50.pth', prefix='backbone.')
