"""Preparation and checks of data; needs mmengine, mmcv and Pillow, but neither mmdet nor mmpretrain."""
