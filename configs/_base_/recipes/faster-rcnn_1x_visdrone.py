"""Faster R-CNN on VisDrone2019-DET; ours, no paper here used it.

Objects are small: anchors from 8 pixels on, on levels P2 to P6. Up to 500 of them are in an image: the benchmark scores
500 detections. COCO's own evaluation would take AP of the first 100 whatever `proposal_nums` says; mmdet's, which
`use_mp_eval` chooses, takes the last of them. Annotations are those of `tools/prepare_data.py visdrone`.
"""

_base_ = 'faster-rcnn_1x_coco.py'
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[2, 4])),
    roi_head=dict(bbox_head=dict(num_classes=10)),
    test_cfg=dict(rcnn=dict(max_per_img=500)),
)

data_root = 'data/VisDrone/'
classes = ('pedestrian', 'people', 'bicycle', 'car', 'van', 'truck', 'tricycle', 'awning-tricycle', 'bus', 'motor')
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(
    dataset=dict(
        **dataset, ann_file='annotations/instances_train.json', data_prefix=dict(img='VisDrone2019-DET-train/images/')
    )
)
val_dataloader = dict(
    dataset=dict(
        **dataset, ann_file='annotations/instances_val.json', data_prefix=dict(img='VisDrone2019-DET-val/images/')
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file=data_root + 'annotations/instances_val.json', proposal_nums=(100, 300, 500), use_mp_eval=True
)
test_evaluator = val_evaluator
