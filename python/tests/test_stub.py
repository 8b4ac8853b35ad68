"""What `echozoo.pyi` says is what there is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from conftest import Echozoo

STUB = Path(__file__).parents[1] / "echozoo.pyi"

# Flags of `bench` that print something else than results, say how results are printed, or start it elsewhere.
OF_THE_COMMAND = {"format", "dry_run", "print_config", "dump_params", "help"}


def keywords(stub: str, name: str) -> set[str]:
    found = [node for node in ast.walk(ast.parse(stub)) if isinstance(node, ast.FunctionDef) and node.name == name]
    return {argument.arg for node in found for argument in node.args.args + node.args.kwonlyargs}


def flags(help_text: str) -> set[str]:
    of_cluster = re.sub(r"^Cluster:\n(.*?)^\S", "", help_text, flags=re.MULTILINE | re.DOTALL)
    return {flag.replace("-", "_") for flag in re.findall(r"^ {2,6}(?:-\w, )?--([a-z-]+)", of_cluster, re.MULTILINE)}


def test_every_flag_of_the_commands_is_an_argument(echozoo_command: Echozoo) -> None:
    stub = STUB.read_text()
    bench = flags(echozoo_command("bench", "--help").stdout)
    assert keywords(stub, "bench") - {"part"} == bench - OF_THE_COMMAND
    embed = flags(echozoo_command("embed", "--help").stdout)
    found = keywords(stub, "embed") - {"self", "paths", "skip_unreadable"}
    assert found == embed - {"text", "tensor", "out", "json", "csv", "help"}


def test_the_module_is_what_the_stub_says() -> None:
    # The module of the compiled library, of which the package takes all, has no stub of its own.
    check = [sys.executable, "-m", "mypy.stubtest", "echozoo", "--ignore-missing-stub", "--ignore-disjoint-bases"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_programs_are_checked(tmp_path: Path) -> None:
    right = """
import echozoo
import numpy as np
encoder = echozoo.Encoder("panecho", preset="nano")
rows: int = encoder.embed(["a.avi"]).shape[0]
frames: int = encoder.card["clip"]["frames"]
columns: list[str] = list(echozoo.bench(encoder=["panecho"], shots=[1, 2], weights={"panecho": "F.pt"}))
"""
    wrong = """
import echozoo
echozoo.bench(encoders="panecho")
echozoo.Encoder("panecho").embed(3)
"""
    for text, errors in [(right, 0), (wrong, 2)]:
        program = tmp_path / "program.py"
        program.write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", program], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.stdout.count(": error: ") == errors, done.stdout
