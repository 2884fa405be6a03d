"""Runs the programs of a page in one namespace: ``run_python.py FILE``, JSON with [page, line, title, text] of each.

One that has a title is a file, and is imported.
"""

import importlib
import json
import sys
from pathlib import Path

sys.path[0] = str(Path.cwd())
namespace = {'__name__': '__main__'}
for page, line, title, text in json.loads(Path(sys.argv[1]).read_text('utf-8')):
    if title:
        importlib.import_module(title.removesuffix('.py').replace('/', '.'))
    else:
        exec(compile('\n' * line + text, page, 'exec'), namespace)
