"""Preparing and checking data; needs mmengine and Pillow, but neither mmcv nor mmdet."""
