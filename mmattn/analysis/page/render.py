"""HTML of a page, from the one template of all pages."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import mmattn
from mmattn.analysis.charts import SERIES, VARIABLES
from mmattn.files import write_text

from .content import Page


def render(page: Page) -> str:
    """A page as HTML that loads nothing but the picture files beside it, and runs no script but its own.

    All texts are escaped, whatever characters they have; only the SVG of pictures is taken as it is.

    Args:
        page: Content of the page.
    """
    environment = Environment(
        loader=PackageLoader('mmattn.analysis.page', 'template'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['address'] = quote
    assert environment.loader is not None
    script = environment.loader.get_source(environment, 'enlarge.js')[0]
    return environment.get_template('page.html').render(
        page=page,
        version=mmattn.__version__,
        variables=VARIABLES,
        colors=len(SERIES),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def write_page(page: Page, path: str | Path) -> None:
    """Writes a page as an HTML file, which appears only when it is complete.

    Args:
        page: Content of the page.
        path: Path of the file; the files of pictures lie relative to it.
    """
    write_text(render(page), path)
