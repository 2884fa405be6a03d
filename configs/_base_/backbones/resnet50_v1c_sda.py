"""ResNet-50-C with mmsegmentation's weights and depth attention that starts as the identity."""

backbone = dict(
    type='mmattn.AttnResNet', depth=50, deep_stem=True, depth_attn=dict(type='mmattn.SDA', identity_init=True)
)
pretrained = dict(type='Pretrained', checkpoint='open-mmlab://resnet50_v1c')
