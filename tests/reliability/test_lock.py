"""The lock of a work folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from mmattn.engine.resuming.lock import locked
from mmattn.errors import UserError


def test_a_folder_in_use_is_refused_with_the_process_that_has_it(tmp_path):
    command = (
        'import sys, time; from pathlib import Path; from mmattn.engine.resuming.lock import locked\n'
        'with locked(Path(sys.argv[1])): print("locked", flush=True); time.sleep(60)'
    )
    holder = subprocess.Popen([sys.executable, '-c', command, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == 'locked\n'
    with pytest.raises(UserError, match=f'in use by process {holder.pid} on .*--work-dir'), locked(tmp_path):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / '.lock').read_text()


def test_a_folder_that_was_used_is_free(tmp_path):
    for _ in range(2):
        with locked(tmp_path / 'new'):
            pass


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_process_that_loads_data_does_not_keep_the_lock_of_one_that_was_killed(tmp_path):
    command = (
        'import os, sys, time; from pathlib import Path; from mmattn.engine.resuming.lock import locked\n'
        'with locked(Path(sys.argv[1])):\n'
        '    if not os.fork(): print(os.getpid(), flush=True)\n'
        '    time.sleep(60)'
    )
    holder = subprocess.Popen([sys.executable, '-c', command, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    with locked(tmp_path):
        os.kill(child, 0)  # it is still there
    os.kill(child, signal.SIGKILL)
