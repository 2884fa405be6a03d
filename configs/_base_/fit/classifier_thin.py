"""Classifier for a CPU, trained by AdamW."""

_base_ = './classifier_full.py'
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=3e-3, weight_decay=0.05))
