"""Preparation and checks of data; needs mmengine and Pillow, but neither mmcv nor mmdet."""
