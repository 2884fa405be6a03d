"""What mmcv's environment report says about the compiler of its operators."""


def get_compiler_version() -> str:
    """The compiler of the operators: none."""
    return 'n/a (mmattn.mmcv_ext in place of mmcv._ext)'


def get_compiling_cuda_version() -> str:
    """The CUDA version the operators were compiled with: torchvision's own."""
    return 'n/a (the operators are those of torchvision)'
