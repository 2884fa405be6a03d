# The paper's network: EMA after the depth-wise convolution, its norm and its activation, where it has more than 144
# channels.
_base_ = '../_base_/recipes/in1k_400e_mobilenetv2.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmattn.AttentionOn',
        backbone=dict(type='mmpretrain.MobileNetV2', widen_factor=1.0),
        attn='mmattn.EMA',
        at='layer*.conv.1',
        min_channels=145,
    )
)
