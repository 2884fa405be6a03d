# Not in the paper, which has YOLOv5. Starts as YOLOX-s, so that released weights of that can be loaded into it with
# load_from.
_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
custom_imports = dict(imports=['mmattn'])
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmattn.AttentionOn',
        backbone=_base_.model.backbone,
        at='stage[34]',
        attn=dict(type='mmattn.EMA', identity_init=True),
    )
)
