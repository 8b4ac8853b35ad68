"""Data of the tests: phantoms that the binary makes, and the binary, whose numbers are the right ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable

import pytest

Echozoo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def echozoo_command(tmp_path_factory: pytest.TempPathFactory) -> Echozoo:
    """Runs the binary that `cargo xtask python` has built."""
    binary = os.environ["ECHOZOO_BINARY"]

    def run(*args: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def phantoms(echozoo_command: Echozoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 24 synthetic hearts."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    echozoo_command("phantom", "--out", folder, "--count", 24)
    return folder


@pytest.fixture(scope="session")
def videos(phantoms: Path) -> list[Path]:
    """Five of its videos."""
    return sorted((phantoms / "Videos").glob("*.avi"))[:5]
