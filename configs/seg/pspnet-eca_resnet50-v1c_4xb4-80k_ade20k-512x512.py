# Ours: attention behind the convolutions of a decode head of mmsegmentation, which starts as the identity.
_base_ = 'pspnet_resnet50-v1c_4xb4-80k_ade20k-512x512.py'
head = _base_.model.decode_head
model = dict(
    decode_head=dict(
        _delete_=True,
        type='mmattn.AttentionOn',
        backbone=head,
        feature_channels=[256, 512, 1024, 2048],
        at=['psp_modules.?.1', 'bottleneck'],
        attn=dict(type='mmattn.ECA', identity_init=True),
    )
)
