"""Files with the results of ``tools/test.py``: metrics, predictions, COCO's result lists."""

from .outputs import Outputs

__all__ = ['Outputs']
