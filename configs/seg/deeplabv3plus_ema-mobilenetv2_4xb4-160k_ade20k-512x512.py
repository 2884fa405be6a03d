# Ours: attention behind chosen modules of a backbone of mmsegmentation, which starts as the identity.
_base_ = 'mmseg::mobilenet_v2/mobilenet-v2-d8_deeplabv3plus_4xb4-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmattn'])
auto_scale_lr = dict(base_batch_size=16)  # on 4 GPUs
pretrained = dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2')
backbone = dict(**_base_.model.backbone, init_cfg=pretrained)
ema = dict(type='mmattn.EMA', identity_init=True)
model = dict(
    pretrained=None,
    backbone=dict(_delete_=True, type='mmattn.AttentionOn', backbone=backbone, at='layer[67].*.conv.1', attn=ema),
)
