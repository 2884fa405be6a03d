"""DeepLabV3+ for a CPU: heads of an eighth of the usual width, AdamW."""

_base_ = './segmentor_full.py'
norm_cfg = dict(num_groups=8)
model = dict(
    decode_head=dict(channels=64, c1_channels=16, norm_cfg=norm_cfg),
    auxiliary_head=dict(channels=64, norm_cfg=norm_cfg),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05), clip_grad=dict(max_norm=10)
)
