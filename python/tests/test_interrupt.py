"""Ctrl-C ends what runs without Python's lock, and with it nothing but the call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys, warnings, echozoo
warnings.simplefilter("ignore")
encoder = echozoo.Encoder("panecho", preset="nano")
print("ready", flush=True)
try:
    encoder.embed(sys.argv[1:] * 20000)
except KeyboardInterrupt:
    print("interrupted", len(encoder.embed(sys.argv[1:])))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_the_call_alone(videos: list[Path]) -> None:
    command = [sys.executable, "-c", PROGRAM, *map(str, videos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None and program.stdout.readline() == "ready\n"
            time.sleep(0.5)
            program.send_signal(signal.SIGINT)
            # All hundred thousand videos would take many minutes.
            out, _ = program.communicate(timeout=30)
        finally:
            program.kill()
    assert out == f"interrupted {len(videos)}\n" and program.returncode == 0
