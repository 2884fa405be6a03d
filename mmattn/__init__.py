"""Attention networks for the mm libraries; needs neither mmdet nor mmpretrain."""
from mmattn import mmcv_ext

__version__ = '0.1.0'

mmcv_ext.install()
