"""The error of an operator that only the compiled mmcv has."""


class OperatorNotAvailableError(NotImplementedError):
    """An operator of mmcv was called that the stand-in for `mmcv._ext` does not offer.

    Args:
        operator: What was called, in mmcv's words.
    """

    def __init__(self, operator: str) -> None:
        super().__init__(
            f"mmcv's operator {operator} needs mmcv compiled: run `MMATTN_COMPILE_OPS=1 bash "
            'tools/quickstart.sh` in a clone of mmattn, or, with torch, "setuptools<81", wheel, '
            'ninja, psutil and packaging installed, `pip install --no-build-isolation '
            '--no-cache-dir --force-reinstall --no-deps onedl-mmcv`'
        )
