"""Parameters and multiply-adds of the networks that configs describe, and the papers' figures beside them."""
from .counter import RULE, MultiplyAdds
from .measure import Complexity, Part, Slot, measure
from .metafile import Figures, Row, read_metafiles
from .modules import Attachable, attachable
from .tables import Table, make_tables

__all__ = [
    'RULE', 'Attachable', 'Complexity', 'Figures', 'MultiplyAdds', 'Part', 'Row', 'Slot', 'Table', 'attachable',
    'make_tables', 'measure', 'read_metafiles'
]
