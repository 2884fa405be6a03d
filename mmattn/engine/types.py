"""Types in configs: strings with or without a scope in text configs, classes in configs of pure Python."""

from __future__ import annotations


def type_name(settings: object) -> str:
    """Class name that the ``type`` of a config's dict gives, without scope or module; empty if it gives none.

    Args:
        settings: Dict of a config. Its type is a string ('CocoDataset', 'mmdet.CocoDataset',
            'mmdet.datasets.CocoDataset'), a class or a function.
    """
    kind = settings.get('type') if isinstance(settings, dict) else None
    if kind is None:
        return ''
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]
