"""Values of users' files as short text that fits into a line of any terminal."""

import reprlib
from collections.abc import Iterable

_LIMIT = 300

# Of a list with a million numbers, or a thousand lists in each other, a few are shown.
_REPR = reprlib.Repr()
_REPR.maxlist = _REPR.maxdict = 6
_REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = 60


def shown(value: object) -> str:
    """A value of a JSON file or config, shortened."""
    return _REPR.repr(value)


def printable(text: str) -> str:
    """The text without line breaks, without what UTF-8 cannot hold (lone surrogates), and of at most 300 characters."""
    if not text.isprintable():
        text = ''.join(each if each.isprintable() else each.encode('unicode_escape').decode() for each in text[:_LIMIT])
    return text if len(text) <= _LIMIT else f'{text[:_LIMIT]}…'


def word(name: object) -> str:
    """A name, which may be no text, for a message."""
    return printable(name) if isinstance(name, str) else shown(name)


def few(names: Iterable, most: int = 5) -> str:
    """The first names of a list and the number of the others, for a message."""
    words = list(map(word, names))
    more = f', and {len(words) - most} more' if len(words) > most else ''
    return (', '.join(words[:most]) + more) or 'none'
