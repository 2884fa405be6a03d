"""Package metadata of mmattn.

The mm libraries are extras, so that installing mmattn never replaces the mmdet or mmpretrain that
is already there.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

MM = ['onedl-mmengine>=0.10.8', 'onedl-mmcv>=2.3', 'onedl-mmdetection>=3.5', 'onedl-mmpretrain>=1.3']
OPENMMLAB = [
    'mmengine==0.10.7',
    'mmcv-lite==2.1.0',
    'mmdet==3.3.0',
    'mmpretrain==1.2.0',
    'numpy<2',
    'torch<2.6',
    'torchvision<0.21',
]
RUN = ['pycocotools', 'matplotlib', 'opencv-python-headless', 'jinja2', 'rich', 'anyascii']
VIZ = ['grad-cam>=1.5', 'matplotlib', 'jinja2', 'anyascii']
FIT = ['hotcoco>=1.3,<2']
TEST = ['pytest', 'pytest-xdist', 'ruff', 'onnx', 'onnxscript', 'onnxruntime']


def version() -> str:
    """The version that ``mmattn/__init__.py`` states, read without importing torch."""
    source = (ROOT / 'mmattn' / '__init__.py').read_text('utf-8')
    found = re.search(r"^__version__ = '([^']+)'", source, re.MULTILINE)
    if not found:
        raise RuntimeError("mmattn/__init__.py must hold a line __version__ = '…'")
    return found.group(1)


def long_description() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text('utf-8') if readme.is_file() else ''


setup(
    name='mmattn',
    version=version(),
    description='Residual networks with attention, as backbones for mmdet and mmpretrain',
    long_description=long_description(),
    long_description_content_type='text/markdown',
    author='The mmattn authors',
    license='Apache-2.0',
    packages=find_packages(include=['mmattn', 'mmattn.*']),
    package_data={'mmattn': ['py.typed'], 'mmattn.analysis.page': ['template/*']},
    python_requires='>=3.10',
    install_requires=['torch>=2.1', 'torchvision>=0.16', 'numpy', 'packaging', 'safetensors>=0.4'],
    extras_require={
        'mm': MM + RUN,
        'openmmlab': OPENMMLAB + RUN,
        'viz': VIZ,
        'fit': FIT,
        'test': TEST,
        'all': MM + RUN + VIZ + FIT + TEST,
    },
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
