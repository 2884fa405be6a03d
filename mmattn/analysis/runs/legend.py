"""Legends below pictures: a patch of colour and a text for each thing that is drawn."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageColor, ImageDraw

from mmattn.engine.drawn_text import in_one_font

from .objects import font_of

FONT, ROW, GAP = 13, 26, 18
# Of a legend; what is left out is counted in the last.
MOST_ROWS = 6


def with_legend(picture: Image.Image, entries: Sequence[tuple[str | tuple[int, int, int], str]]) -> Image.Image:
    """A picture above its legend.

    Args:
        picture: RGB picture.
        entries: Colour, as RGB from 0 to 255 or by a name or code that Pillow knows, and text of each entry.
    """
    texts, path = in_one_font([text for _, text in entries])
    font = font_of(path, FONT)
    pen = ImageDraw.Draw(picture)
    width = [min(pen.textlength(text, font) + FONT + GAP, picture.width) for text in texts]
    rows: list[list[int]] = [[]]
    for index in range(len(entries)):
        if rows[-1] and sum(width[one] for one in rows[-1]) + width[index] > picture.width:
            rows.append([])
        rows[-1].append(index)
    left_out = sum(map(len, rows[MOST_ROWS:]))
    if left_out:
        left_out += len(rows[MOST_ROWS - 1][-1:])
        rows = [*rows[: MOST_ROWS - 1], rows[MOST_ROWS - 1][:-1]]
    page = Image.new('RGB', (picture.width, picture.height + ROW * len(rows)), 'white')
    page.paste(picture)
    pen = ImageDraw.Draw(page)
    for number, row in enumerate(rows):
        x, middle = 6.0, picture.height + ROW * (number + 0.5)
        for index in row:
            color = entries[index][0]
            fill = ImageColor.getrgb(color)[:3] if isinstance(color, str) else tuple(color)
            pen.rectangle([x, middle - FONT / 2, x + FONT, middle + FONT / 2], fill=fill, outline='black')
            pen.text((x + FONT + 5, middle), texts[index], 'black', font, anchor='lm')
            x += width[index]
        if left_out and number == len(rows) - 1:
            pen.text((x, middle), f'and {left_out} more', 'black', font, anchor='lm')
    return page
