"""Predictions of trained models on images, videos and cameras: ``Predictor('work_dirs/quickstart')(['image.jpg'])``."""

from .found import Classes, Detections, Labels, Masks, Patch
from .predictor import Predictor
from .reading import LoadedImage
from .tiles import Tiles

__all__ = ['Classes', 'Detections', 'Labels', 'LoadedImage', 'Masks', 'Patch', 'Predictor', 'Tiles']
