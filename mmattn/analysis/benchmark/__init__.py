"""Time and memory of networks and modules, alone, against another code base's, and against the bare trunk."""
from .machine import describe_machine, describe_versions, physical_cores
from .measure import Settings, measure, measure_against, measure_overhead, measure_scaling
from .report import SCHEMA, as_text
from .results import write_results
from .subject import Other, Ours
from .treatment import AMP_TYPES, Treatment

__all__ = [
    'AMP_TYPES', 'SCHEMA', 'Other', 'Ours', 'Settings', 'Treatment', 'as_text', 'describe_machine',
    'describe_versions', 'measure', 'measure_against', 'measure_overhead', 'measure_scaling', 'physical_cores',
    'write_results'
]
