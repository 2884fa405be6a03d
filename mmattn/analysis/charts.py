"""Charts by matplotlib in one style: as PNG files, and as SVG inside a page, light or dark as the reader has it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from mmattn.files import atomic_path

from .extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with colour blindness tell apart, a little darker (on a light ground) or
# lighter (on a dark one) for contrast. From the ninth series on the colours come again, with other strokes.
SERIES = (
    ('#0072b2', '#56b4e9'),
    ('#d55e00', '#ff9248'),
    ('#009e73', '#3fd1a0'),
    ('#b5478c', '#e58bc1'),
    ('#8a6d00', '#e6c84f'),
    ('#2a9fd6', '#8fd3ff'),
    ('#5b4bb5', '#a99bff'),
    ('#555555', '#bbbbbb'),
)
STROKES = ('-', (0, (4, 2)), (0, (1, 1.5)))
COLORS = tuple(light for light, _ in SERIES)
TEXT, RULE = '#5d6673', '#dfe3e8'
# Colours that the style of a page replaces in an SVG, by the name of its variable: on a light and on a dark ground.
VARIABLES = {
    'soft': (TEXT, '#a2acb8'),
    'rule': (RULE, '#323941'),
    **{f'color-{i}': pair for i, pair in enumerate(SERIES)},
}


@contextmanager
def style() -> Iterator[None]:
    """The style of all charts, as a context manager or as the decorator ``@style()`` of what draws them.

    Raises:
        UserError: matplotlib is not installed.
    """
    matplotlib = require('matplotlib')
    settings = {
        'font.family': 'sans-serif',
        'font.size': 10,
        'axes.titlesize': 10,
        'text.color': TEXT,
        'axes.labelcolor': TEXT,
        'axes.titlecolor': TEXT,
        'xtick.color': TEXT,
        'ytick.color': TEXT,
        'xtick.major.size': 0,
        'ytick.major.size': 0,
        'axes.edgecolor': TEXT,
        'axes.linewidth': 0.8,
        'axes.spines.top': False,
        'axes.spines.right': False,
        'axes.axisbelow': True,
        'grid.color': RULE,
        'grid.linewidth': 0.8,
        'legend.frameon': False,
        'axes.prop_cycle': matplotlib.cycler(color=COLORS),
        'lines.linewidth': 1.7,
        'lines.markersize': 4.5,
        'svg.fonttype': 'none',
        'svg.hashsalt': 'mmattn',
        'text.parse_math': False,
    }  # names may have dollar signs
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of its own, as pyplot's state and backend belong to the caller.

    Args:
        width: Width in inches.
        height: Height in inches.
    """
    require('matplotlib')
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def series_style(number: int) -> dict[str, Any]:
    """Colour and stroke of a series as arguments of ``Axes.plot``, and the mark by which a page can hide it.

    Args:
        number: Number of the series in the page, from 0 on.
    """
    return dict(
        color=COLORS[number % len(COLORS)],
        linestyle=STROKES[number // len(COLORS) % len(STROKES)],
        gid=f'series-{number}',
    )


@style()
def save_png(figure: Figure, path: str | Path, dpi: int = 110) -> None:
    """Writes a figure as a PNG file, which appears only when it is complete.

    Args:
        figure: Figure to write.
        path: Path of the file.
        dpi: Pixels per inch.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi, metadata={'Software': None})


@style()
def to_svg(figure: Figure, name: str, label: str, hints: Mapping[str, Sequence[str]] | None = None) -> str:
    """A figure as an SVG element to put into an HTML page, its text as text in the page's font.

    Colours of this module become variables of the page's style, and artists whose gid is 'series-N' get this class.

    Args:
        figure: Figure to convert.
        name: Prefix of its ids, which differ so from those of other figures in the page.
        label: What it shows, for readers who do not see it.
        hints: Texts to show over the markers of a series, one for each marker, by gid.
    """
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Glyph .* missing from font')  # the page's fonts will have it
        metadata = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
        figure.savefig(text, format='svg', transparent=True, metadata=metadata)
    root = ElementTree.fromstring(text.getvalue())
    _drop_namespaces(root)
    _add_hints(root, hints or {})
    _make_ids_unique(root, name)
    for element in root.iter():
        if 'style' in element.attrib:
            element.set('style', _page_style(element.get('style', '')))
        if element.tag not in ('text', 'tspan', 'title'):
            element.text = None
        element.tail = None
    for size in ('width', 'height', 'version'):
        root.attrib.pop(size, None)
    root.attrib.update({'role': 'img', 'aria-label': label})
    for definitions in root.findall('defs'):  # the style of matplotlib, which would apply to the whole page
        for rule in definitions.findall('style'):
            definitions.remove(rule)
    return ElementTree.tostring(root, encoding='unicode')


def _drop_namespaces(root: ElementTree.Element) -> None:
    """HTML knows SVG's elements without them."""
    for element in root.iter():
        element.tag = element.tag.rpartition('}')[2]
        element.attrib = {key.rpartition('}')[2]: value for key, value in element.attrib.items()}


def _add_hints(root: ElementTree.Element, hints: Mapping[str, Sequence[str]]) -> None:
    for group in root.iter('g'):
        texts = hints.get(group.get('id', ''), ())
        markers = list(group.iter('use')) if texts else []
        for marker, hint in zip(markers, texts):
            ElementTree.SubElement(marker, 'title').text = hint


def _make_ids_unique(root: ElementTree.Element, name: str) -> None:
    """Prefixes the ids that are referred to, and drops the others."""
    reference = re.compile(r'(?<=#)[\w.-]+')
    used = {
        found
        for element in root.iter()
        for key, value in element.attrib.items()
        if key != 'style'
        for found in reference.findall(value)
    }
    for element in root.iter():
        for key in ('href', 'clip-path'):
            if key in element.attrib:
                element.set(key, reference.sub(lambda match: f'{name}-{match[0]}', element.get(key, '')))
        own = element.attrib.pop('id', '')
        if own.startswith('series-'):
            element.set('class', own)
        elif own in used:
            element.set('id', f'{name}-{own}')


def _page_style(text: str) -> str:
    text = re.sub(r'font-family: [^;]*;? ?', '', text)
    for variable, (light, _) in VARIABLES.items():
        text = text.replace(light, f'var(--{variable}, {light})')
    return text
