"""Run-length encoded masks in COCO's formats: a list of run lengths, or the same as compressed text."""

import numpy as np

# Characters of the compressed text are numbers of six bits from this code on: five bits and whether more follow.
_FIRST_CODE, _CODES = 48, 64
_VALUE, _MORE, _SIGN = 31, 32, 16

# Run lengths are below 2**32, which seven characters hold.
_LONGEST = 7


def run_lengths(counts: object) -> np.ndarray | None:
    """Lengths of the runs, of background and of the object by turns; None if these are no counts of a mask.

    Args:
        counts: The ``counts`` of a mask: a list of whole numbers, or text as pycocotools compresses it.
    """
    if isinstance(counts, str):
        return _decompressed(counts)
    if not isinstance(counts, list) or not all(type(each) is int and 0 <= each < 2**32 for each in counts):
        return None
    return np.asarray(counts, np.int64)


def _decompressed(text: str) -> np.ndarray | None:
    """What rleFrString of pycocotools computes, which takes damaged text as it is."""
    try:
        codes = np.frombuffer(text.encode('ascii'), np.uint8).astype(np.int64) - _FIRST_CODE
    except UnicodeEncodeError:
        return None
    if not len(codes):
        return codes
    if codes.min() < 0 or codes.max() >= _CODES or codes[-1] & _MORE:
        return None
    ends = np.flatnonzero((codes & _MORE) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts + 1
    if sizes.max() > _LONGEST:
        return None
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, sizes))
    lengths = np.add.reduceat((codes & _VALUE) << shifts, starts)
    lengths -= np.where(codes[ends] & _SIGN, 1 << 5 * sizes, 0)
    # From the fourth on, a number is the difference to the last but one.
    for first in (1, 2):
        lengths[first::2] = np.cumsum(lengths[first::2])
    return lengths if lengths.min() >= 0 else None
