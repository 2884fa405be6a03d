"""Time and memory of networks: alone, against other code, and against themselves with something left out."""

from .experiments import (
    benchmark_ablation,
    benchmark_against,
    benchmark_alone,
    benchmark_overhead,
    benchmark_scaling,
)
from .machine import describe_machine, describe_versions, physical_cores
from .printing import SCHEMA, as_text
from .results import write_results
from .rows import Settings
from .subject import Other, Ours
from .suite import missed_targets, read_suite, suite_tables
from .treatment import AMP_TYPES, MODES, Treatment

__all__ = [
    'AMP_TYPES',
    'MODES',
    'SCHEMA',
    'Other',
    'Ours',
    'Settings',
    'Treatment',
    'as_text',
    'benchmark_ablation',
    'benchmark_against',
    'benchmark_alone',
    'benchmark_overhead',
    'benchmark_scaling',
    'describe_machine',
    'describe_versions',
    'missed_targets',
    'physical_cores',
    'read_suite',
    'suite_tables',
    'write_results',
]
