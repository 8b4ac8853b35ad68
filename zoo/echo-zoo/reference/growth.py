"""How time and memory grow with the batch, the clip's frames and the size of the data set.

    python zoo/echo-zoo/reference/growth.py --binary target/release/echozoo [--out FOLDER]

`cargo xtask speed --growth` builds the binary and runs this, which needs no more than Python. Weights are random, videos are
phantoms. Every size has a process of its own, whose peak memory is given.
"""

import argparse
import array
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from speed import Worker, alone, interruptible, positive, say, seconds

SIDE = 224
BATCHES = (1, 2, 4, 8, 16)
FRAMES = (8, 16, 32, 64)
VIDEOS = (100, 1000, 10000)
LIMIT = 3600


def write_clip(path, frames):
    """A clip [1, 3, frames, SIDE, SIDE] without pattern, as a safetensors file."""
    shape = [1, 3, frames, SIDE, SIDE]
    count = 3 * frames * SIDE * SIDE
    values = array.array("f", ((index * 7919 % 2003) / 1001 - 1 for index in range(count)))
    header = json.dumps({"clip": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * count]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + values.tobytes())


def embed(arguments, encoder, preset, batch, frames, folder):
    """Median seconds of embedding a batch, and the process's peak memory."""
    clip = Path(folder) / f"{frames}.safetensors"
    if not clip.exists():
        write_clip(clip, frames)
    command = [arguments.binary, "speed", "--encoder", encoder, "--preset", preset, "--random-init", "--input", clip]
    worker = Worker(list(map(str, command)), {})
    try:
        worker.ready(LIMIT).ask(f"case embed {batch}", "seconds", LIMIT)
        times = sorted(worker.ask("run", "seconds", LIMIT) for _ in range(arguments.runs))
        return times[len(times) // 2], worker.peak()
    finally:
        worker.stop()


def bench(arguments, count, folder):
    """Seconds and peak memory of a benchmark over phantoms, none of which has been embedded before."""
    data = arguments.work / f"phantoms-{count}"
    if not data.exists():
        say(f"{count} phantom videos in {data}")
        made = data.with_suffix(".part")
        run([arguments.binary, "phantom", "--out", made, "--count", str(count)], folder)
        made.rename(data)
    command = [arguments.binary, "bench", "--encoder", "echoprime", "--preset", "nano", "--adapter", "linear"]
    home = Path(folder) / f"home-{count}"
    command += ["--data", data, "--shots", "4", "--seeds", "1", "--out", home / "out"]
    home.mkdir()
    return run(command, home)


def run(command, folder):
    """Seconds and peak memory of a command."""
    started = time.perf_counter()
    log = Path(folder) / "log"
    with log.open("wb") as file:
        environment = os.environ | {"ECHOZOO_HOME": str(folder)}
        process = subprocess.Popen(list(map(str, command)), env=environment, stdout=file, stderr=file)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # also a signal: nothing goes on behind our back
            process.kill()
            raise
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{log.read_text(errors='replace')[-2000:]}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path, help="echozoo")
    parser.add_argument("--runs", type=positive, default=3, help="runs of a batch [default: 3]")
    parser.add_argument("--most", type=int, choices=VIDEOS, default=VIDEOS[-1], help=f"most videos [default: {VIDEOS[-1]}]")
    parser.add_argument("--out", type=Path, help="folder for growth.md")
    home = Path(os.environ.get("ECHOZOO_HOME", "/tmp/echozoo"))
    parser.add_argument("--work", type=Path, default=home / "speed", help="folder of the phantom videos")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    lock = alone(arguments.work)  # noqa: F841, held until the end
    if arguments.out:  # before anything is measured
        arguments.out.mkdir(parents=True, exist_ok=True)
    lines = ["| what grows | size | time | for one | memory |", "| --- | --- | --- | --- | --- |"]

    def add(what, measure, sizes):
        for size in sizes:
            took, memory = measure(size)
            cells = [what, str(size), seconds(took), seconds(took / size), f"{memory / 1e9:.2f} GB"]
            lines.append(f"| {' | '.join(cells)} |")
            say(lines[-1])
            if arguments.out:
                (arguments.out / "growth.md").write_text("\n".join(lines) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        add("clips in a batch, PanEcho", lambda size: embed(arguments, "panecho", "full", size, 16, folder), BATCHES)
        for name, encoder in [("EchoCLIP", "echoclip"), ("EchoPrime", "echoprime"), ("PanEcho", "panecho")]:
            measure = lambda size, encoder=encoder: embed(arguments, encoder, "full", 1, size, folder)  # noqa: E731
            add(f"frames of a clip, {name}", measure, FRAMES)
        sizes = [size for size in VIDEOS if size <= arguments.most]
        add("videos of a data set, nano EchoPrime", lambda size: bench(arguments, size, folder), sizes)
    print("\n".join(lines))


if __name__ == "__main__":
    interruptible(main)
