"""Numbers of things in words: '1 image', '2 images'."""


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: '1 image', '2 images'.

    Args:
        count: The number.
        singular: Noun for one.
        plural: Noun for any other number; None: with an s.
    """
    return f'{count:,} {singular if count == 1 else plural or singular + "s"}'
