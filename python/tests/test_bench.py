"""A benchmark's dictionary is the table that the command writes."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas
import pytest

import echozoo
from conftest import Echozoo

GRID = {
    "encoder": ["panecho", "clip"],
    "adapter": ("linear", "coop"),
    "shots": [1, 2],
    "seeds": 1,
    "limit": 8,
    "bootstrap": 100,
    "preset": "nano",
}


def as_csv(value: object) -> str:
    return {None: "", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)


def is_same(value: object, cell: str) -> bool:
    return float(cell) == value if isinstance(value, float) else as_csv(value) == cell


def test_the_rows_of_the_command(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, echozoo_command: Echozoo
) -> None:
    monkeypatch.setenv("ECHOZOO_HOME", str(tmp_path / "home"))
    with pytest.warns(echozoo.EchoZooWarning):
        table = echozoo.bench(data=phantoms, out=tmp_path / "wheel", **GRID)
    flags = ["--encoder=panecho,clip", "--adapter=linear,coop", "--shots=1,2", "--seeds=1", "--limit=8"]
    flags += ["--bootstrap=100", "--preset=nano", "--format=csv"]
    # Not what the other has cached.
    monkeypatch.setenv("ECHOZOO_HOME", str(tmp_path / "other-home"))
    text = echozoo_command("bench", "--data", phantoms, "--out", tmp_path / "command", *flags).stdout
    header, *rows = csv.reader(text.splitlines())
    assert list(table) == header and rows
    for column, *cells in zip(header, *rows):
        values = table[column]
        assert len(values) == len(cells)
        assert all(is_same(value, cell) for value, cell in zip(values, cells)), (column, values, cells)
    assert (tmp_path / "wheel/leaderboard.csv").read_text() == text

    frame = pandas.DataFrame(table)
    adapted = frame[frame.adapter == "linear"]
    assert list(adapted.shots) == [1, 2, 1, 2] and adapted.mae.dtype == float and adapted.phantoms.all()


def test_errors_are_in_the_words_of_the_command(phantoms: Path, tmp_path: Path, echozoo_command: Echozoo) -> None:
    for options, flags in [
        ({"encoder": "panecco"}, ["--encoder=panecco"]),
        ({"random_seed": 3}, ["--random-seed=3"]),
        ({"shots": "few"}, ["--shots=few"]),
        ({"data": tmp_path, "preset": "nano"}, ["--data", tmp_path, "--preset=nano"]),
    ]:
        with pytest.raises(echozoo.EchoZooError) as raised:
            echozoo.bench(**options)
        code = 1 if "data" in options else 2
        assert str(raised.value) in echozoo_command("bench", *flags, code=code).stderr
    for flag in ["dry_run", "print_config", "dump_params"]:
        with pytest.raises(echozoo.EchoZooError, match="for the command `echozoo bench` alone"):
            echozoo.bench(**{flag: True})
