"""Ctrl-C ends what runs without Python's lock, and with it nothing but the call; a fork is refused before it waits for ever."""

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


TEXTS = """
import warnings, echozoo
warnings.simplefilter("ignore")
encoder = echozoo.Encoder("echoclip", preset="nano")
print("ready", flush=True)
try:
    encoder.embed_text(["a dilated left ventricle"] * 2000000)
except KeyboardInterrupt:
    print("interrupted", len(encoder.embed_text("a normal left ventricle")))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_texts() -> None:
    with subprocess.Popen([sys.executable, "-c", TEXTS], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None and program.stdout.readline() == "ready\n"
            time.sleep(1.0)
            program.send_signal(signal.SIGINT)
            # All two million texts would take many minutes.
            out, _ = program.communicate(timeout=30)
        finally:
            program.kill()
    assert out == "interrupted 1\n" and program.returncode == 0


FORKED = """
import os, sys, warnings, echozoo
warnings.simplefilter("ignore")
echozoo.embed(sys.argv[1:], "panecho", preset="nano")
child = os.fork()
if child == 0:
    try:
        echozoo.embed(sys.argv[1:], "panecho", preset="nano")
    except echozoo.EchoZooError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks of POSIX")
def test_a_fork_after_use_is_refused(videos: list[Path]) -> None:
    command = [sys.executable, "-c", FORKED, str(videos[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 'multiprocessing.get_context("spawn")' in done.stdout, done.stderr
