"""HTML pages of the analysis tools: their content as dataclasses, and one template for all."""

from .content import NONE, Badge, Cell, Page, Picture, Section, Table, TableRow
from .render import render, write_page

__all__ = ['NONE', 'Badge', 'Cell', 'Page', 'Picture', 'Section', 'Table', 'TableRow', 'render', 'write_page']
