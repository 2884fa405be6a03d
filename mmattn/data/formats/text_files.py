"""Text files of strangers: any usual encoding, line end and decimal sign."""

import codecs
import math
from pathlib import Path

from mmattn.data.readable import check_readable

_MARKS = ((codecs.BOM_UTF8, 'utf-8'), (codecs.BOM_UTF16_LE, 'utf-16-le'), (codecs.BOM_UTF16_BE, 'utf-16-be'))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or Windows' Western encoding, without a mark of byte order.

    Args:
        path: Path of the file.

    Raises:
        OSError: If it cannot be read; an empty file can.
    """
    try:
        check_readable(path)
    except OSError as error:
        if 'empty' in str(error):
            return ''
        raise
    return decoded(path.read_bytes())


def beginning(path: Path) -> str:
    """The text of a file's first 64 KiB; '' if it cannot be read."""
    try:
        check_readable(path)
        with path.open('rb') as file:
            return decoded(file.read(1 << 16))
    except OSError:
        return ''


def decoded(content: bytes) -> str:
    """Bytes as text, by the mark of byte order, else as UTF-8 where they are that, else as Windows-1252."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, 'replace')
    # Half of the bytes of Latin letters in UTF-16 are zero, which no text in the other encodings has.
    if len(content) >= 4 and content[1] == content[3] == 0 and content[0]:
        return content.decode('utf-16-le', 'replace')
    if len(content) >= 4 and content[0] == content[2] == 0 and content[1]:
        return content.decode('utf-16-be', 'replace')
    try:
        return content.decode('utf-8')
    except UnicodeDecodeError:
        return content.decode('cp1252', 'replace')


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Numbers, from 1, and texts of the lines that are not blank, without spaces at their ends.

    Args:
        path: Path of the file.

    Raises:
        OSError: If it cannot be read.
    """
    # Not str.splitlines, which also breaks lines at characters that names may have.
    lines = read_text(path).replace('\r\n', '\n').replace('\r', '\n').split('\n')
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def number(text: str, *, comma: bool = False) -> float:
    """A finite number; a whole one as int, so that nothing is lost.

    Args:
        text: The text.
        comma: Whether the decimal sign may be a comma.

    Raises:
        ValueError: If it is none.
    """
    text = text.strip()
    if comma and text.count(',') == 1 and '.' not in text:
        text = text.replace(',', '.')
    value = float(text)
    if not math.isfinite(value) or '_' in text:
        raise ValueError(f'no finite number: {text!r}')
    return int(value) if value == int(value) and abs(value) < 2**53 else value
