"""Numbers of things in words: '1 image', '2 images'."""


def counted(number: int, noun: str) -> str:
    """A number and a noun, with an s unless there is one.

    Args:
        number: How many there are.
        noun: The noun in the singular.
    """
    return f'{number} {noun}{"s" * (number != 1)}'
