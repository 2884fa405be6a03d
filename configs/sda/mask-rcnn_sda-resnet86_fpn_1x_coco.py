_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(
        type='mmattn.SDAResNet',
        depth=86,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/sda_resnet86.pth', prefix='backbone.')))
train_dataloader = dict(batch_size=4)  # on 4 GPUs: the 16 images that lr 0.02 is for
auto_scale_lr = dict(base_batch_size=16)
