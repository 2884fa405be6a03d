"""A process that has imported the libraries of the tools, and is forked for each command: see `commands`.

It reads a line of JSON for each command, answers with the number of the process that it forked, waits for it, and
answers with its exit status.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import once


@contextmanager
def answers() -> Iterator:
    """The stream of answers: the standard output, to which nothing else may be printed."""
    with os.fdopen(os.dup(1), 'w', buffering=1) as stream:
        os.dup2(2, 1)
        yield stream


def import_libraries() -> None:
    import mmattn.checks.run
    import mmattn.checks.trial  # noqa: F401

    for name in ('mmdet', 'mmpretrain'):
        with suppress(ImportError):
            __import__(f'{name}.utils')
            sys.modules[f'{name}.utils'].register_all_modules(init_default_scope=False)
    for name in ('matplotlib.pyplot', 'pycocotools.coco'):
        with suppress(ImportError):
            __import__(name)
    once.remember()
    once.warm_up((Path(__file__).parents[1] / 'configs/demo').glob('*.py'))


def next_command() -> list[str]:
    """Forks for each command that is asked for, and in the new process returns its arguments."""
    with answers() as stream:
        import_libraries()
        sys.stdout.flush()
        gc.freeze()  # or each new process would look through, and so copy, all that was imported
        for line in sys.stdin:
            request = json.loads(line)
            pid = os.fork()
            if pid:
                print(pid, file=stream)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=stream)
            else:
                become(request)
                return request['arguments']
    sys.exit()


def become(request: dict) -> None:
    """Gives this process the environment, the folder and the streams of a command."""
    os.environ.clear()
    os.environ.update(request['environment'])
    os.chdir(request['folder'])
    for number, path in enumerate((os.devnull, request['out'], request['err'])):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  what was read ahead is of other commands


def run(arguments: list[str]) -> int:
    """Runs a script as an interpreter does; its exit status."""
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    try:
        runpy.run_path(arguments[0], run_name='__main__')
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001  as an interpreter does
        traceback.print_exc()
        return 1
    return 0


if __name__ == '__main__':
    status = run(next_command())
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # to take down what was imported would take longer than most commands
