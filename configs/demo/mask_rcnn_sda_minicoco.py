"""The recipe of configs/mask_rcnn_sda.py (80 classes, 1333 x 800) for a few iterations on COCO photographs.

It starts from random weights, so nothing is frozen and GroupNorm stands for the BatchNorm of the pretrained network.
"""

_base_ = '../mask_rcnn_sda.py'
model = dict(
    backbone=dict(norm_cfg=dict(type='GN', num_groups=32), norm_eval=False, frozen_stages=-1, init_cfg=None),
    test_cfg=dict(rcnn=dict(score_thr=0.0)),
)  # so early all scores are low: keep them, that AP has something to rank

# In double quotes, as a path may have an apostrophe in it.
data_root = "{{ fileDirname }}/../../demo/coco_cc_mini/"  # fmt: skip
dataset = dict(data_root=data_root, data_prefix=dict(img='images/'))
train_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(**dataset, ann_file='instances_train.json')
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(**dataset, ann_file='instances_val.json'))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'instances_val.json')
test_evaluator = val_evaluator

max_iters = 6
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.02 / 16), clip_grad=dict(max_norm=10))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=max_iters)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=max_iters))
log_processor = dict(by_epoch=False)
