"""The command-line tools, run as commands without the seconds that each needs to import its libraries.

They are forked from a process that has imported these (`preloaded`), so that a command still has a process, an
environment, streams and an exit status of its own. What a start itself does needs a new interpreter (`fresh`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from subprocess import CompletedProcess

ROOT = Path(__file__).resolve().parents[1]
# Seconds after which a command is ended.
TIMEOUT = 600


def environment(**variables: str) -> dict[str, str]:
    """The environment of a command: one thread and no GPU, as suits several tests side by side."""
    return {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'PYTHON': sys.executable,
        'OMP_NUM_THREADS': '1',
        'MKL_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
        **variables,
    }


def fresh(*arguments: object, folder: Path = ROOT, **variables: str) -> CompletedProcess:
    """Runs a command with a new interpreter.

    Args:
        *arguments: Name of a script in tools/ or path of another, and its arguments.
        folder: Where it runs.
        **variables: Variables of its environment.
    """
    script, *others = map(str, arguments)
    interpreter = 'bash' if script.endswith('.sh') else sys.executable
    return subprocess.run(
        [interpreter, str(ROOT / 'tools' / script), *others],
        cwd=folder,
        text=True,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
    )


class Command:
    """A command that runs.

    Attributes:
        pid: Number of its process.
        out: Path of what it prints.
        err: Path of what it prints as errors.
    """

    def __init__(self, server: subprocess.Popen, arguments: list[str], folder: Path, variables: dict, scratch: Path):
        self.arguments = arguments
        self.out, self.err = scratch / 'out', scratch / 'err'
        for path in (self.out, self.err):
            path.write_text('')
        self._server = server
        server.stdin.write(
            json.dumps(
                dict(
                    arguments=arguments,
                    folder=str(folder),
                    out=str(self.out),
                    err=str(self.err),
                    environment=environment(**variables),
                )
            )
            + '\n'
        )
        server.stdin.flush()
        self.pid = int(server.stdout.readline())

    def wait_for(self, text: str) -> None:
        """Waits until it has printed something."""
        end = time.monotonic() + TIMEOUT
        while text not in self.out.read_text('utf-8'):
            assert time.monotonic() < end and Path(f'/proc/{self.pid}').exists(), self.err.read_text('utf-8')
            time.sleep(0.05)

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> CompletedProcess:
        """Waits for its end, which comes after TIMEOUT seconds at the latest."""
        killer = threading.Timer(TIMEOUT, self.send, [signal.SIGKILL])
        killer.start()
        status = int(self._server.stdout.readline())
        killer.cancel()
        return CompletedProcess(self.arguments, status, self.out.read_text('utf-8'), self.err.read_text('utf-8'))


class Commands:
    """Runs the tools, one at a time."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        with open(Path(self._scratch.name, 'server'), 'w') as said:
            self._server = subprocess.Popen(
                [sys.executable, str(ROOT / 'tests/preloaded.py')],
                env=environment(),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
            )

    def start(self, *arguments: object, folder: Path = ROOT, **variables: str) -> Command:
        """Starts a command; arguments as of `fresh`."""
        script, *others = map(str, arguments)
        return Command(
            self._server, [str(ROOT / 'tools' / script), *others], folder, variables, Path(self._scratch.name)
        )

    def __call__(self, *arguments: object, folder: Path = ROOT, **variables: str) -> CompletedProcess:
        """Runs a command; shell scripts with a new shell."""
        if str(arguments[0]).endswith('.sh'):
            return fresh(*arguments, folder=folder, **variables)
        return self.start(*arguments, folder=folder, **variables).end()

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        self._scratch.cleanup()
