"""ImageNet-1k as SDA-xNet and EPSANet train: 120 epochs and label smoothing."""

_base_ = 'in1k_100e.py'
model = dict(head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)))
train_cfg = dict(max_epochs=120)
