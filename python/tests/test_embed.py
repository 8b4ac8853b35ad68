"""Embeddings are those of the command `embed`, bit for bit, and so is what is said about them."""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import echozoo
from conftest import Echozoo

NANO = "phantom data and nano weights, which know no patients: none of this is about patients"


@pytest.fixture(scope="module")
def panecho() -> echozoo.Encoder:
    return echozoo.Encoder("panecho", preset="nano")


@pytest.mark.parametrize("name", ["panecho", "echoclip"])
@pytest.mark.filterwarnings("ignore::echozoo.EchoZooWarning")
def test_videos_as_the_command_embeds_them(
    name: str, videos: list[Path], tmp_path: Path, echozoo_command: Echozoo
) -> None:
    file = tmp_path / "e.npy"
    echozoo_command("embed", "--encoder", name, "--preset", "nano", "--out", file, *videos)
    expected = np.load(file)
    encoder = echozoo.Encoder(name, preset="nano")
    for found in [
        echozoo.embed(videos, encoder=name, preset="nano"),
        encoder.embed([str(video) for video in videos]),
        encoder.embed_table(iter(videos))["embedding"],
    ]:
        assert found.dtype == np.float32 and found.shape == (5, encoder.dim)
        assert found.tobytes() == expected.tobytes()
    # One path is a list of one.
    assert encoder.embed(videos[3]).tobytes() == expected[3].tobytes()
    # Results are the caller's own.
    found[0, 0] = 7


@pytest.mark.filterwarnings("ignore::echozoo.EchoZooWarning")
def test_flags_reach_the_encoder(videos: list[Path], tmp_path: Path, echozoo_command: Echozoo) -> None:
    file = tmp_path / "e.npy"
    flags = ["--preset", "nano", "--random-init", "--random-seed", "3", "--precision", "bf16", "--mask", "auto"]
    echozoo_command("embed", "--encoder", "panecho", *flags, "--out", file, videos[0])
    found = echozoo.embed(
        videos[0], "panecho", preset="nano", random_init=True, random_seed=3, precision="bf16", mask="auto"
    )
    assert found.tobytes() == np.load(file).tobytes()


@pytest.mark.filterwarnings("ignore::echozoo.EchoZooWarning")
def test_texts_as_the_command_embeds_them(tmp_path: Path, echozoo_command: Echozoo) -> None:
    file = tmp_path / "t.npy"
    texts = ["a normal heart", "SEVERELY REDUCED LEFT VENTRICULAR FUNCTION"]
    flags = [flag for text in texts for flag in ("--text", text)]
    echozoo_command("embed", "--encoder", "echoclip", "--preset", "nano", "--out", file, *flags)
    encoder = echozoo.Encoder("echoclip", preset="nano")
    found = encoder.embed_text(texts)
    assert found.tobytes() == np.load(file).tobytes()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    assert encoder.embed_text(texts[1]).tobytes() == found[1].tobytes()


def test_clips_as_the_command_embeds_them(panecho: echozoo.Encoder, tmp_path: Path, echozoo_command: Echozoo) -> None:
    clip = panecho.card["clip"]
    shape = (2, clip["frames"], clip["size"], clip["size"])
    pixels = np.random.default_rng(1).integers(0, 256, size=shape)
    mean, std = np.array(clip["mean"]), np.array(clip["std"])
    values = (pixels[:, None] * clip["scale"] - mean[:, None, None, None]) / std[:, None, None, None]
    values = values.astype(np.float32)
    file, out = tmp_path / "c.safetensors", tmp_path / "c.npy"
    write_safetensors(file, "clip", values)
    echozoo_command("embed", "--encoder", "panecho", "--preset", "nano", "--tensor", file, "--out", out)
    with pytest.warns(echozoo.EchoZooWarning, match="2 of these inputs are not known to be phantoms") as told:
        found = panecho.encode(values)
    assert found.tobytes() == np.load(out).tobytes()
    assert len(told) == 1
    with pytest.warns(echozoo.EchoZooWarning, match="clip 1: values from .* for white; used all the same"):
        panecho.encode(pixels[:, None].repeat(3, axis=1))
    with pytest.raises(echozoo.EchoZooError, match=r"shape \[2, 16, 64, 64\]; \[batch, 3, frames, height, width\]"):
        panecho.encode(pixels)


def write_safetensors(path: Path, name: str, values: np.ndarray) -> None:
    import json

    entry = {"dtype": "F32", "shape": values.shape, "data_offsets": [0, values.nbytes]}
    header = json.dumps({name: entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())


def test_a_folder_is_its_videos_by_name(panecho: echozoo.Encoder, videos: list[Path], tmp_path: Path) -> None:
    for video in videos[:3]:
        shutil.copy(video, tmp_path)
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.warns(echozoo.EchoZooWarning, match="not known to be phantoms"):
        table = panecho.embed_table(tmp_path)
    # The last folder alone: whole paths say who keeps what where.
    assert table["name"] == [f"{tmp_path.name}/{video.name}" for video in videos[:3]]
    assert table["warning"] == ["nano weights, which have seen no patient"] * 3


def test_what_the_command_warns_of_is_a_warning(panecho: echozoo.Encoder, videos: list[Path], tmp_path: Path) -> None:
    with pytest.warns(echozoo.EchoZooWarning) as told:
        panecho.embed(videos)
    assert [str(warning.message) for warning in told] == [NANO]
    # At the line that called it.
    assert told[0].filename == __file__
    with pytest.warns(echozoo.EchoZooWarning, match="the weights are random: these numbers mean nothing"):
        echozoo.embed(videos[0], "panecho", preset="nano", random_init=True)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(videos[0].read_bytes()[:-9000])
    with pytest.warns(echozoo.EchoZooWarning, match="cut.avi: truncated: .*; used all the same"):
        assert len(panecho.embed([videos[0], cut], allow_truncated=True)) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(echozoo.EchoZooWarning):
            panecho.embed(videos)


def test_files_that_cannot_be_used_are_an_error_that_names_each(
    panecho: echozoo.Encoder, videos: list[Path], tmp_path: Path, echozoo_command: Echozoo
) -> None:
    cut, text = tmp_path / "cut.avi", tmp_path / "text.avi"
    cut.write_bytes(videos[0].read_bytes()[:-9000])
    text.write_text("no video")
    paths = [videos[0], cut, text]
    said = echozoo_command(
        "embed", "--encoder", "panecho", "--preset", "nano", "--out", tmp_path / "e.npy", *paths, code=1
    ).stderr
    reasons = re.findall("^left out: (.*)$", said, re.MULTILINE)
    with pytest.raises(echozoo.EchoZooError) as raised:
        panecho.embed(paths)
    message = str(raised.value)
    assert message.startswith("2 of 3 inputs could not be used: ") and "2 of 3 inputs could not be used" in said
    assert len(reasons) == 2 and all(reason in message for reason in reasons)
    with pytest.warns(echozoo.EchoZooWarning) as told:
        assert len(panecho.embed(paths, skip_unreadable=True)) == 1
    assert {f"left out: {reason}" for reason in reasons} <= {str(warning.message) for warning in told}
    # Nothing is left.
    with pytest.raises(echozoo.EchoZooError, match="text.avi"):
        panecho.embed(text, skip_unreadable=True)


@pytest.mark.parametrize(
    ("call", "flags"),
    [
        (lambda: echozoo.Encoder("panecco"), ["--encoder", "panecco"]),
        (lambda: echozoo.Encoder("panecho", preset="tiny"), ["--encoder", "panecho", "--preset", "tiny"]),
        (lambda: echozoo.Encoder("panecho", weights="none.pt"), ["--encoder", "panecho", "--weights", "none.pt"]),
        (lambda: echozoo.Encoder("panecho", device="tpu"), ["--encoder", "panecho", "--device", "tpu"]),
        (
            lambda: echozoo.Encoder("panecho", weights="a", random_init=True),
            ["--encoder", "panecho", "--weights", "a", "--random-init"],
        ),
        (lambda: echozoo.Encoder("panecho", colour="red"), ["--encoder", "panecho", "--colour=red"]),
    ],
)
def test_errors_are_in_the_words_of_the_command(call, flags: list[str], echozoo_command: Echozoo, videos) -> None:
    with pytest.raises(echozoo.EchoZooError) as raised:
        call()
    said = echozoo_command("embed", *flags, "--csv", videos[0], code=1 if "none.pt" in flags else 2).stderr
    assert str(raised.value) in said


def test_an_encoder_without_texts_says_so(panecho: echozoo.Encoder) -> None:
    with pytest.raises(echozoo.EchoZooError, match="panecho has no text encoder"):
        panecho.embed_text("a heart")
    with pytest.raises(echozoo.EchoZooError, match="nothing to embed"):
        panecho.embed([])
    with pytest.raises(echozoo.EchoZooError, match="no text to embed"):
        echozoo.Encoder("echoclip", preset="nano").embed_text([])


def test_what_is_no_value_is_named(panecho: echozoo.Encoder) -> None:
    for value, kind in [(3, "int"), (None, "NoneType"), (b"a.avi", "bytes"), (["a.avi", b"b.avi"], "bytes")]:
        with pytest.raises(TypeError, match=f"^paths: a path or several expected, not {kind}$"):
            panecho.embed(value)  # type: ignore[arg-type]
    for name, value, kind in [("adapter", b"linear", "bytes"), ("encoder", ["panecho", None], "NoneType")]:
        with pytest.raises(TypeError, match=f"^{name}: .* expected, not {kind}$"):
            echozoo.bench(**{name: value})


def test_what_an_encoder_says_of_itself(panecho: echozoo.Encoder) -> None:
    assert repr(panecho) == f'Encoder("panecho", preset="nano", weights="shipped", dim={panecho.dim})'
    assert (panecho.name, panecho.preset, panecho.weights) == ("panecho", "nano", "shipped")
    card = panecho.card
    assert card["dim"] == panecho.dim and card["clip"]["frames"] == 16 and not card["published"]
    assert card["code_url"].startswith("https://") and card["weights_license"] == "MIT OR Apache-2.0"
    assert {"panecho", "echoprime"} <= set(echozoo.encoders()) and "coop" in echozoo.adapters()


@pytest.mark.filterwarnings("ignore::echozoo.EchoZooWarning")
def test_other_threads_run_meanwhile(panecho: echozoo.Encoder, videos: list[Path]) -> None:
    ended = threading.Event()

    def embed() -> None:
        panecho.embed(videos * 8)
        ended.set()

    worker = threading.Thread(target=embed)
    worker.start()
    # Were the lock held, this thread would not come to its second turn before the other ends.
    turns = 0
    while not ended.is_set():
        turns += 1
        time.sleep(0.001)
    worker.join()
    assert turns > 10


@pytest.mark.filterwarnings("ignore::echozoo.EchoZooWarning")
def test_nothing_is_printed_and_all_is_logged(
    videos: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes(videos[0].read_bytes()[:-9000])
    with caplog.at_level(logging.INFO, logger="echozoo"):
        echozoo.embed([videos[0], cut], "panecho", preset="nano", skip_unreadable=True)
    assert capfd.readouterr() == ("", "")
    assert any("left out: " in record.message for record in caplog.records)
