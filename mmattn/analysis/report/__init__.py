"""Reports of trained models: how well they predict, by class and size, and what they get wrong."""

from .write import ReportResult, write_report

__all__ = ['ReportResult', 'write_report']
