"""Foundation models for echocardiography. Research software, not for clinical use.

The numbers are those of the commands ``echozoo embed`` and ``echozoo bench``. What makes them doubtful is an
``EchoZooWarning``, what ends the command an ``EchoZooError``; all that the commands say on standard error goes to
the logger ``echozoo``, at the level ``INFO``.

Flags in messages are keyword arguments here: ``--random-init`` is ``random_init=True``. Ctrl-C ends embeddings of videos
and benchmarks between two videos, and other calls when they are done. Encoders cannot be pickled, and a process that is
forked after a first call cannot use the package: make an encoder in each process, and start them by ``spawn``.
"""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, Literal, TypedDict, Union, final

import numpy as np
import numpy.typing as npt

__version__: str
__all__: list[str]

_Path = Union[str, PathLike[str]]
_Floats = npt.NDArray[np.float32]
_Column = list[Union[str, float, int, bool, None]]

class EchoZooError(Exception):
    """What ends a command of echozoo, in the same words."""

class EchoZooWarning(UserWarning):
    """What makes results of echozoo doubtful."""

class _Clip(TypedDict):
    frames: int
    stride: int
    sampling: Literal["strided", "segments"]
    size: int
    scale: float
    mean: list[float]
    std: list[float]

class _Card(TypedDict):
    name: str
    title: str
    summary: str
    paper: str
    paper_url: str
    code_url: str
    code_license: str
    preset: str
    weights: str
    weights_hash: str
    weights_license: str
    published: bool
    has_text: bool
    parameters: int
    dim: int
    clip: _Clip
    quirks: list[str]

class _Table(TypedDict):
    name: list[str]
    warning: list[str]
    embedding: _Floats

def encoders() -> list[str]:
    """The names of all encoders."""

def adapters() -> list[str]:
    """The names of all adapters."""

@final
class Encoder:
    """An encoder with weights, on a device.

    ``weights`` is a file; without it, those that are shipped (preset ``nano``) or that ``echozoo fetch`` brought.
    ``preset`` is ``full`` when absent. ``device`` is cpu, wgpu, cuda or cuda:INDEX, the last three in a build with that
    feature. ``precision`` is f32, bf16 or int8.
    """

    def __new__(
        cls,
        name: str,
        weights: _Path | None = None,
        preset: str | None = None,
        *,
        weights_key: str | None = None,
        random_init: bool = False,
        random_seed: int | None = None,
        device: str = "cpu",
        precision: str = "f32",
    ) -> Encoder: ...
    @property
    def name(self) -> str:
        """The name on the command line."""

    @property
    def preset(self) -> str:
        """The preset."""

    @property
    def weights(self) -> str:
        """What kind of weights it has: shipped, from a file, or random."""

    @property
    def dim(self) -> int:
        """Length of an embedding."""

    @property
    def card(self) -> _Card:
        """The facts: sources, licences, sizes, and the clips that it wants to see."""

    def embed(
        self,
        paths: _Path | Iterable[_Path],
        *,
        allow_truncated: bool = False,
        mask: Literal["dicom", "auto", "none"] | None = None,
        skip_unreadable: bool = False,
    ) -> _Floats:
        """Embeds videos, and those in folders, to an array [videos, dim].

        A file that cannot be used is an error that names it; with ``skip_unreadable`` it has no row, and a warning.
        """

    def embed_table(
        self,
        paths: _Path | Iterable[_Path],
        *,
        allow_truncated: bool = False,
        mask: Literal["dicom", "auto", "none"] | None = None,
        skip_unreadable: bool = False,
    ) -> _Table:
        """The same with each video's name, and what makes its embedding doubtful."""

    def embed_text(self, texts: str | Iterable[str]) -> _Floats:
        """Embeds texts to an array [texts, dim]; each embedding has length one."""

    def encode(self, clips: npt.ArrayLike) -> _Floats:
        """Embeds clips [batch, 3, frames, height, width] that are ready for the encoder, to an array [batch, dim].

        ``card["clip"]`` says how they are made: of pixels from 0 to 255, ``(pixel * scale - mean) / std``.
        """

def embed(
    paths: _Path | Iterable[_Path],
    encoder: str = "echoprime",
    weights: _Path | None = None,
    preset: str | None = None,
    *,
    allow_truncated: bool = False,
    mask: Literal["dicom", "auto", "none"] | None = None,
    skip_unreadable: bool = False,
    weights_key: str | None = None,
    random_init: bool = False,
    random_seed: int | None = None,
    device: str = "cpu",
    precision: str = "f32",
) -> _Floats:
    """Embeds videos, and those in folders, with an encoder that is loaded for it, to an array [videos, dim]."""

def bench(
    *,
    encoder: str | Iterable[str] | None = None,
    adapter: str | Iterable[str] | None = None,
    shots: int | Iterable[int] | None = None,
    seeds: int | Iterable[int] | None = None,
    task: _Path | None = None,
    below: float | None = None,
    samples: Literal["study", "video"] | None = None,
    prompts: _Path | None = None,
    no_zero_shot: bool = False,
    preset: str | None = None,
    weights: _Path | Mapping[str, _Path] | None = None,
    weights_key: str | None = None,
    random_init: bool = False,
    random_seed: int | None = None,
    text_encoder: str | None = None,
    text_weights: _Path | None = None,
    data: _Path | None = None,
    dataset: _Path | None = None,
    split: _Path | None = None,
    external: _Path | None = None,
    external_dataset: _Path | None = None,
    no_external: bool = False,
    limit: int | None = None,
    allow_truncated: bool = False,
    mask: Literal["dicom", "auto", "none"] | None = None,
    allow_leakage: bool = False,
    clips: int | None = None,
    select: Literal["last-epoch", "best-validation"] | None = None,
    bootstrap: int | None = None,
    smoke: bool = False,
    config: _Path | None = None,
    out: _Path | None = None,
    save_adapters: bool = False,
    thumbnails: bool = False,
    force: bool = False,
    part: str | None = None,
    device: str = "cpu",
    precision: str = "f32",
    jobs: int | None = None,
    cache_limit: str | None = None,
) -> dict[str, _Column]:
    """Runs a benchmark and gives the columns of its ``leaderboard.csv``, for ``pandas.DataFrame``.

    Takes the flags of ``echozoo bench``, whose help explains them, with underscores for hyphens. Everything else that
    the command writes, such as ``report.html``, is in ``out`` (``runs/<name of the run>`` when absent). What is done
    there already is not computed again.
    """
