"""Launcher of a distributed run: torchrun, whose jobs end in one line.

``python -m mmattn.engine.torchrun [options] SCRIPT [arguments]`` takes torchrun's options, those for several
machines too, and starts its processes as torchrun does. A process that dies ends the others within seconds, and one
line says which it was and why. Signals are passed on, so that a training saves before it ends. Where starting again
cannot help, as after a wrong config, nothing is started again.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from argparse import Namespace
from types import FrameType
from typing import Any

from torch.distributed import run as torchrun
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher import api

from mmattn.errors import UserError, kind_and_text

from .notes import FOLDER, log, notes, remove_notes
from .quiet import quiet
from .resuming.stopping import SIGNALS as PASSED_ON

# Seconds that the other processes have to end: after one has died, and after a signal, by when they have saved.
AFTER_DEATH, AFTER_SIGNAL = 5, 120
# Seconds between two looks at the processes; torchrun's default was five once.
LOOK_EVERY = '0.5'
# What ends a job: the signals by which a training stops, which are passed on, and that of a closed terminal.
SIGNALS = (*PASSED_ON, *([signal.SIGHUP] if hasattr(signal, 'SIGHUP') else []))
STOPPING = b'stopping: the running iteration ends and is saved; Ctrl-C ends at once\n'
RESUME = 'to go on, give the same command with --resume'


class GivenUp(Exception):
    """A job that is not started again, because it would end as before."""


class Agent(LocalElasticAgent):
    """torchrun's agent, which starts the processes of this machine and watches them, and knows how they ended.

    Attributes:
        signal: Number of the first signal that the launcher got; None for none.
        ended: Exit codes of the processes that failed by themselves, by their rank; negative for a signal.
    """

    current: Agent | None = None

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        Agent.current = self
        hang_up = [number for number in SIGNALS if number.name == 'SIGHUP']
        self.ignored = [number for number in hang_up if signal.getsignal(number) == signal.SIG_IGN]  # by nohup
        self.signal: int | None = None
        self.ended: dict[int, int] = {}

    def _start_workers(self, worker_group):
        ids = super()._start_workers(worker_group)
        context: Any = self._pcontext
        close = context.close
        ranks = {worker.local_rank: worker.global_rank for worker in worker_group.workers}
        self.ended = {}

        def close_in_time(death_sig: signal.Signals | None = None, timeout: int = 30) -> None:
            if not self.ended and self.signal is None:
                codes = {rank: context.subprocess_handlers[local].proc.poll() for local, rank in ranks.items()}
                self.ended = {rank: code for rank, code in codes.items() if code}
            close(death_sig, AFTER_DEATH if self.signal is None else AFTER_SIGNAL)

        context.close = close_in_time
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in self.ignored else self._pass_on)
        return ids

    def _restart_workers(self, worker_group) -> None:
        if self.ended:
            line, _, final = ending(self.ended)
            if final:
                raise GivenUp
            restarts = worker_group.spec.max_restarts
            _say(
                f'{line.removeprefix("error: ").partition(";")[0]}; all processes start again from the newest '
                f'checkpoint (restart {restarts - self._remaining_restarts} of {restarts})'
            )
        remove_notes()
        super()._restart_workers(worker_group)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            os.write(sys.stderr.fileno(), STOPPING)
            passed_on = signal.Signals(number if number in PASSED_ON else signal.SIGTERM)
            raise SignalException(f'signal {number}', sigval=passed_on)  # torchrun passes it on
        if number == signal.SIGINT:
            context: Any = self._pcontext
            for handler in context.subprocess_handlers.values():
                if handler.proc.poll() is None:
                    handler.close(signal.SIGKILL)


def ending(ended: dict[int, int]) -> tuple[str, int, bool]:
    """How a job ended that failed.

    Args:
        ended: Exit codes of the processes that failed by themselves, by their rank; negative for a signal.

    Returns:
        The line for the user, the exit status, and whether the job would end so again after another start.
    """
    killed = [rank for rank, code in ended.items() if code < 0]
    # Others may say why these failed, but not that they were stopped, as they were because these had failed.
    left = [note for note in notes() if note.rank in ended or not note.stopped]
    if killed:
        return _killed(min(killed), -ended[min(killed)]), 1, False
    if not left:
        rank, code = min(ended.items())
        return _with_log(f'error: rank {rank} ended with exit status {code}'), code, False
    note = left[0]
    return note.line if note.stopped or note.status == 2 else _with_log(note.line), note.status, note.final


def _killed(rank: int, number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f'signal {number}'
    usual = ', which the system also sends where memory runs out' if name == 'SIGKILL' else ''
    return _with_log(f'error: rank {rank} was ended by {name}{usual}; {RESUME}')


def _with_log(line: str) -> str:
    return f'{line}; log: {log()}' if log() else line


def main(arguments: list[str]) -> int:
    """Runs a job.

    Args:
        arguments: Options of torchrun, a script and its arguments.

    Returns:
        The exit status: 0 for a job that finished, 2 for something that the user can correct, 128 plus its number after
        a signal, otherwise that of the process that failed first, or 1.
    """
    args = torchrun.parse_args(['--monitor_interval', LOOK_EVERY, *arguments])
    folder = tempfile.mkdtemp(prefix='mmattn_job_', suffix=f'_{os.getpid()}')
    os.environ[FOLDER] = folder
    api.LocalElasticAgent = Agent  # type: ignore[misc]  # where torchrun takes its agent from
    try:
        _check_port(args)
        with quiet(logging.CRITICAL if os.environ.get('MMATTN_DEBUG') != '1' else logging.NOTSET):
            torchrun.run(args)
        return 0
    except UserError as error:
        return _say(f'error: {error}', 2)
    except SignalException as error:
        return _stopped(error.sigval)
    except (ChildFailedError, GivenUp) as error:
        agent = Agent.current
        assert agent is not None  # which has run the processes that failed
        if agent.signal is not None:
            return _stopped(agent.signal)
        failures = getattr(error, 'failures', {})
        line, status, _ = ending(agent.ended or {rank: failure.exitcode for rank, failure in failures.items()})
        return _say(line, status)
    except KeyboardInterrupt:  # before there were processes
        return _say('interrupted', 130)
    except Exception as error:  # noqa: BLE001  where machines do not meet, torch raises many kinds
        if os.environ.get('MMATTN_DEBUG') == '1':
            raise
        return _say(
            f'error: the processes did not come together ({kind_and_text(error)}); look whether all machines '
            'have the same MASTER_ADDR, PORT and NNODES and reach each other',
            1,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_port(args: Namespace) -> None:
    """Raises UserError if this machine shall listen on a port that another process has."""
    if args.standalone or args.rdzv_backend != 'static' or int(args.node_rank) != 0:
        return
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(('', int(args.master_port)))
        except OSError as error:
            raise UserError(
                f'port {args.master_port} cannot be used ({error.strerror}); set PORT to another one'
            ) from error


def _stopped(number: int) -> int:
    said = [note.line for note in notes() if note.stopped]
    return _say(said[0] if said else f'stopped by {signal.Signals(number).name}; {RESUME}', 128 + number)


def _say(line: str, status: int = 0) -> int:
    print(line, file=sys.stderr, flush=True)
    return status


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
