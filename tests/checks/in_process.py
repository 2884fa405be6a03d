"""The tools, run in the process of the tests, which can then look into them."""

from __future__ import annotations

import runpy
import sys

from commands import ROOT


def tool(monkeypatch, name: str, *arguments: object) -> int:
    """Runs a tool; returns its exit status."""
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    try:
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
    except SystemExit as stop:
        return stop.code or 0
    return 0
