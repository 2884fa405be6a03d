"""Parameters and MACs (papers call them FLOPs) of the networks that configs describe, and the papers' figures."""

from .counter import RULE, MultiplyAdds
from .measure import Complexity, Part, Slot, measure
from .metafile import Figures, Row, read_metafiles
from .modules import Attachable, attachable
from .page_table import PageTable
from .tables import make_tables

__all__ = [
    'RULE',
    'Attachable',
    'Complexity',
    'Figures',
    'MultiplyAdds',
    'PageTable',
    'Part',
    'Row',
    'Slot',
    'attachable',
    'make_tables',
    'measure',
    'read_metafiles',
]
