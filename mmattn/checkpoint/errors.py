"""What is raised for a file that holds no weights that can be read."""


class CheckpointError(ValueError):
    """The file is not a checkpoint, is damaged, or holds no tensors."""
