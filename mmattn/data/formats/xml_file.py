"""XML of strangers as a tree whose elements know their lines.

Entity declarations are refused, so that no file grows when it is read and none names another. The parsers of the
standard library and of defusedxml keep no line numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from mmattn.data.formats.text_files import decoded
from mmattn.data.readable import check_readable

# Elements inside each other; an annotation has five.
_LEVELS = 50


class XmlError(ValueError):
    """A file that is no XML, or has entities; the message says line and reason."""


@dataclass
class Element:
    """An element of an XML file: its name, line and text, and the elements in it."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ''
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """The elements of this name that are directly in it."""
        return [child for child in self.children if child.name == name]

    def find(self, *names: str) -> Element | None:
        """The first element at the end of a path of names."""
        element = self
        for name in names:
            found = next((child for child in element.children if child.name == name), None)
            if found is None:
                return None
            element = found
        return element

    def value(self, *names: str) -> str:
        """The text of the first element at the end of a path of names; '' if there is none."""
        element = self.find(*names)
        return '' if element is None else element.text.strip()


def read_xml(path: Path) -> Element:
    """The top element of a file.

    Args:
        path: Path of the file.

    Raises:
        OSError: If it cannot be read, or is empty.
        XmlError: If it is no XML, or declares entities.
    """
    check_readable(path)
    content = path.read_bytes()
    try:
        return _parsed(content)
    except expat.ExpatError as error:
        # A declared encoding may be wrong, or one that the parser does not know.
        try:
            return _parsed(decoded(content).encode('utf-8', 'replace'), 'utf-8')
        except expat.ExpatError:
            raise XmlError(f'line {error.lineno}: {expat.ErrorString(error.code)}') from None
        except ValueError:
            raise XmlError(f'line {error.lineno}: {expat.ErrorString(error.code)}') from None


def root_name(path: Path) -> str | None:
    """The name of the top element, from the beginning of the file; None if that is no XML."""
    names: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: names.append(name)
    try:
        check_readable(path)
        with path.open('rb') as file:
            parser.Parse(file.read(4096), False)
    except (OSError, ValueError, LookupError, expat.ExpatError):
        pass
    return names[0] if names else None


def _parsed(content: bytes, encoding: str | None = None) -> Element:
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    top = Element('', 0)
    stack = [top]

    def start(name: str, attributes: dict) -> None:
        if len(stack) > _LEVELS:
            raise XmlError(f'line {parser.CurrentLineNumber}: more than {_LEVELS} elements inside each other')
        element = Element(name, parser.CurrentLineNumber, attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def text(data: str) -> None:
        stack[-1].text += data

    def entity(*_: object) -> None:
        raise XmlError(f'line {parser.CurrentLineNumber}: it declares entities, which are not read')

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = entity
    parser.Parse(content, True)
    return top.children[0]
