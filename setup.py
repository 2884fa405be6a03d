"""Packaging of mmattn: pyproject.toml says all of it but which files are copied beside the code."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# Folders and files of the repository that OpenMMLab's tools look for in <package>/.mim, and mmattn's own commands too.
SHIPPED = ('configs', 'demo', 'tools', 'model-index.yml')
# Scripts for a clone alone, and what Python and editors leave behind.
LEFT_OUT = ('build_docs.sh', 'quickstart*', 'run_tests.sh', 'setup_env.sh', 'test_matrix.sh', '__pycache__', '.*')


class BuildWithConfigs(build_py):
    """Puts configs, tools and demo data into ``mmattn/.mim``: copies, or links in an editable installation."""

    def run(self) -> None:
        super().run()
        inside = Path(ROOT if self.editable_mode else self.build_lib, 'mmattn', '.mim')
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(parents=True)
        for name in SHIPPED:
            source, target = ROOT / name, inside / name
            if self.editable_mode:
                target.symlink_to(Path('..', '..', name), target_is_directory=source.is_dir())
            elif source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
            else:
                shutil.copy2(source, target)


setup(cmdclass=dict(build_py=BuildWithConfigs))
