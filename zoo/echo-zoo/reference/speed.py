"""Times encoders, alone or in turn with PyTorch: the same weights, inputs and number of threads.

    python zoo/echo-zoo/reference/speed.py --binary target/release/echozoo [SUBJECT...] [--against pytorch]

`cargo xtask speed` builds the binary and runs this, by the Python that `--python PATH` names; with `--growth` it measures how
time and memory grow instead (`cargo xtask speed --growth --help`). Both sides are processes that stay alive and take turns (A B A B),
so that other work on the machine slows both. A case begins with a first run of each, which is reported apart (a device
compiles and tunes kernels in it), and a run to warm up. Reported are medians, and the median of the turns' ratios with
their quartiles. Beside the times stands how far the outputs are apart.

On the processor each case has processes of its own, and memory is their peak. On a device the processes of an encoder
serve all its cases, and memory is what the device's use has grown by in their first runs; what a process has once
taken it mostly keeps, so memory does not tell how little a later case would need.
"""

import argparse
import contextlib
import datetime
import fcntl
import importlib.util
import json
import math
import os
import selectors
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass
class Subject:
    encoder: str
    preset: str
    work: str
    batches: tuple[int, ...]
    what: str

    def name(self):
        """The folder of its checkpoint."""
        return f"{self.encoder}-{self.preset}"

    def process(self):
        """Subjects with one of these in common share processes on a device."""
        return f"{self.name()}-{PROCESSES.get(self.work, 'clip')}"

    def weights(self, work):
        """The file in upstream's names below `work`; for towers that it does not hold, the folder that does."""
        folder = work / self.name()
        match self.encoder, self.work:
            case "echoclip", _:
                return folder / "open_clip_model.safetensors"
            case "panecho", _:
                return folder / "panecho.pt"
            case _, "text" | "coop":
                return folder / "echo_prime_text_encoder"
            case _, "view":
                return folder / "view_classifier"
        return folder / "echo_prime_encoder.pt"


# PyTorch's.
MODES = ("eager", "tf32", "compile", "bf16")

# What other works than those with clips share a process with.
PROCESSES = {"text": "text", "coop": "text", "view": "view", "read": "read"}

# Works whose numbers may have fewer bits: what gradients are asked of has 32.
PRECISE = ("embed", "text", "view")

SUBJECTS = {
    "echoclip": Subject("echoclip", "full", "embed", (1,), "EchoCLIP image tower, 16 frames"),
    "echoprime": Subject("echoprime", "full", "embed", (1,), "EchoPrime clip"),
    "panecho": Subject("panecho", "full", "embed", (1, 4), "PanEcho clip with its transformer"),
    "clip-text": Subject("echoclip", "full", "text", (202,), "CLIP text"),
    "bert-text": Subject("echoprime", "full", "text", (8,), "BERT text"),
    "view": Subject("echoprime", "full", "view", (1,), "EchoPrime's view classifier"),
    "echoclip-step": Subject("echoclip", "full", "step", (1,), "EchoCLIP `full` step, 16 frames"),
    "echoprime-step": Subject("echoprime", "full", "step", (1,), "EchoPrime `full` step"),
    "panecho-step": Subject("panecho", "full", "step", (1,), "PanEcho `full` step"),
    "clip-coop": Subject("echoclip", "full", "coop", (5,), "CoOp step through CLIP's text tower, 5 prompts"),
    "bert-coop": Subject("echoprime", "full", "coop", (5,), "CoOp step through BERT, 5 prompts"),
    "echoclip-read": Subject("echoclip", "full", "read", (200,), "Phantom AVIs to EchoCLIP's clips"),
    "echoprime-read": Subject("echoprime", "full", "read", (200,), "Phantom AVIs to EchoPrime's clips"),
    "panecho-read": Subject("panecho", "full", "read", (200,), "Phantom AVIs to PanEcho's clips"),
    "echoclip-nano-step": Subject("echoclip", "nano", "step", (1,), "EchoCLIP nano `full` step"),
    "echoprime-nano-step": Subject("echoprime", "nano", "step", (1,), "EchoPrime nano `full` step"),
    "panecho-nano-step": Subject("panecho", "nano", "step", (1,), "PanEcho nano `full` step"),
}


class Failed(Exception):
    """A case cannot be measured."""


class Silent(Failed):
    """A process was ended since it did not answer in time."""


class Worker:
    """A process that answers each line by a line."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment
        )
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.memory = 0
        self.rest = b""
        self.about = None

    def ready(self, limit):
        if self.about is None:
            took, self.about = self.answer("ready", limit)
            say(f"loaded in {took:.1f} s. {self.about}")
        return self

    def answer(self, expected, limit):
        """The number and the text behind `expected`."""
        end, word = time.monotonic() + limit, None
        while word != expected:
            while b"\n" not in self.rest:
                if not self.selector.select(max(end - time.monotonic(), 0)):
                    self.stop()
                    raise Silent(f"no answer in {limit:.0f} s")
                found = os.read(self.process.stdout.fileno(), 65536)
                if not found:
                    raise Failed(f"ended with exit code {self.process.wait()}")
                self.rest += found
            line, self.rest = self.rest.split(b"\n", 1)
            word, _, text = line.decode(errors="replace").strip().partition(" ")
            if word == "failed":
                raise Failed(text)
        number, _, about = text.partition(" ")
        return float(number or 0), about

    def tell(self, line):
        if self.process.poll() is not None:
            raise Failed(f"ended with exit code {self.process.returncode}")
        try:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        except OSError as error:
            raise Failed(str(error)) from error

    def ask(self, line, expected, limit):
        self.tell(line)
        return self.answer(expected, limit)[0]

    def peak(self):
        """Most memory that the process has had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def stop(self):
        self.process.kill()
        self.process.wait()


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.on_device = arguments.device != "cpu"
        self.started = time.monotonic()
        self.workers = {}
        self.silent = set()
        self.programs = {}
        self.rows = []

    def left(self):
        return self.arguments.total - (time.monotonic() - self.started)

    def start(self, side, subject):
        """The process of one side; it may still be loading."""
        key, name = (side, subject.process()), subject.name()
        if key not in self.workers or self.workers[key].process.poll() is not None:
            folder, threads = self.arguments.work, self.arguments.threads
            if side == "ours":
                weights = ["--random-init"]
                if subject.work == "read":
                    weights += ["--videos", videos(folder)]
                elif self.arguments.against:
                    weights = ["--weights", subject.weights(folder), "--input", folder / name / "input.safetensors"]
                command = [self.arguments.binary, "speed", "--encoder", subject.encoder, "--preset", subject.preset]
                command += ["--device", self.arguments.device, "--precision", self.arguments.precision, *weights]
                command += ["--recompute"] if self.arguments.recompute else []
            else:
                command = [sys.executable, HERE / "speed_torch.py", "work", folder, name]
                command += ["--device", self.arguments.device, "--threads", str(threads)]
                command += ["--reads"] if subject.work == "read" else []
            environment = {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
            self.workers[key] = Worker(list(map(str, command)), environment)
        return self.workers[key]

    def ask(self, side, subject, line, expected="seconds"):
        limit = min(self.arguments.limit, max(self.left(), 1))
        if (side, subject.process()) in self.silent:
            raise Failed("gave no answer before")
        try:
            worker = self.start(side, subject).ready(limit)
            self.programs[side] = worker.about
            return worker.ask(line, expected, limit)
        except Silent:
            self.silent.add((side, subject.process()))
            raise

    def compile(self, subjects):
        """Lets PyTorch compile everything that will be asked for, all at once: what it keeps on disk saves that later."""
        cases = [
            (subject, batch)
            for subject in subjects
            for batch in batches_of(subject, self.arguments)
            if "compile" in modes_at(batch, modes_of(subject, self.arguments))
        ]
        asked = {subject.process(): (self.start("theirs", subject), subject.work, batch) for subject, batch in cases}
        try:
            for worker, work, batch in asked.values():
                worker.ready(self.arguments.limit).tell(f"case {work} {batch} compile")
            for worker, _, _ in asked.values():
                worker.answer("seconds", self.arguments.limit)
        except Failed as failure:
            say(f"compiling: {failure}")
        finally:
            for worker, _, _ in asked.values():
                worker.stop()

    def stop(self, subject):
        """Ends the subject's processes, which hold memory."""
        for side in ("ours", "theirs"):
            if worker := self.workers.pop((side, subject.process()), None):
                worker.stop()

    def first(self, side, subject, line):
        """Seconds of a case's first run, and what the device's memory has grown by."""
        worker = self.start(side, subject)
        before = used_memory() if self.on_device else 0
        seconds = self.ask(side, subject, line)
        if self.on_device:
            worker.memory += used_memory() - before
        return seconds

    def measure(self, subject, batch, mode):
        """One row of the table."""
        arguments = self.arguments
        what = subject.what
        what += f", {arguments.precision}" if arguments.precision != "f32" and subject.work in PRECISE else ""
        what += ", recomputed" if arguments.recompute and subject.work == "step" else ""
        row = {"subject": what, "work": subject.work, "batch": batch, "mode": mode, "precision": arguments.precision}
        self.rows.append(row)
        sides = {"ours": f"case {subject.work} {batch}"}
        if mode:
            sides["theirs"] = f"case {subject.work} {batch} {mode}"
        alive = []
        for side, line in sides.items():
            try:
                row[side] = {"first": self.first(side, subject, line)}
                self.ask(side, subject, "run")
                alive.append(side)
            except Failed as failure:
                row[side] = {"failed": str(failure)}
                say(f"{subject.what}, batch {batch}, {side}: {failure}")
        times = {side: [] for side in alive}
        end = time.monotonic() + min(arguments.seconds, max(self.left(), 0))
        while alive and len(times[alive[0]]) < arguments.runs:
            if len(times[alive[0]]) >= 3 and time.monotonic() > end:
                break
            try:
                for side in alive:
                    times[side].append(self.ask(side, subject, "run"))
            except Failed as failure:
                row[side] = {"failed": str(failure)}
                alive = []
        for side in alive:
            worker = self.workers[side, subject.process()]
            memory = worker.memory if self.on_device else worker.peak()
            row[side] |= {"median": statistics.median(times[side]), "runs": times[side], "memory": memory}
        if len(alive) == 2:
            row |= self.difference(subject)
            ratios = [theirs / ours for ours, theirs in zip(times["ours"], times["theirs"])]
            low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
            row["ratio"] = {"median": middle, "low": low, "high": high}
        say(line_of(row))

    def difference(self, subject):
        """The largest absolute difference, also in parts of the largest value, and the least cosine of two rows."""
        import numpy
        from safetensors.numpy import load_file

        arrays = []
        for side in ("ours", "theirs"):
            file = self.arguments.work / f"{side}.safetensors"
            self.ask(side, subject, f"write {file}", "written")
            array = load_file(file)["output"]
            arrays.append(array.reshape(-1, array.shape[-1]).astype("float64"))
        ours, theirs = arrays
        norms = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1)
        error = float(abs(ours - theirs).max())
        return {
            "error": error,
            "relative_error": error / float(abs(theirs).max()),
            "cosine": float(((ours * theirs).sum(axis=1) / norms).min()),
        }


def videos(work):
    """The folder of phantom videos."""
    return work / "phantoms" / "Videos"


def positive(text):
    """A whole number of at least one."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def duration(text):
    """Seconds, more than none."""
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds")


def positives(text):
    return [positive(part) for part in text.split(",")]


def batches_of(subject, arguments):
    return arguments.batch or subject.batches


def modes_of(subject, arguments):
    if subject.work == "read":
        return "eager"  # no network that could run otherwise
    return arguments.step_modes if subject.work == "step" and arguments.step_modes else arguments.modes


def modes_at(batch, modes):
    """Those of the list that are for this batch: `compile@8` is for 8 alone."""
    pairs = [mode.partition("@") for mode in modes.split(",")]
    return [name for name, _, only in pairs if not only or int(only) == batch]


def used_memory():
    """Bytes in use on the first CUDA device."""
    with contextlib.suppress(ImportError):
        import pynvml

        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).used
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]) * 2**20


def alone(work):
    """Holds the folder for this process: two runs at once would measure each other."""
    work.mkdir(parents=True, exist_ok=True)
    lock = open(work / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"error: another run is measuring in {work}: two at once would measure each other")
    return lock


def interruptible(main):
    """Runs a script's `main`, which ends by a signal as by an error: what it writes and ends on the way out happens."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    except (Failed, OSError) as error:
        sys.exit(f"error: {error}")


def say(text):
    print(text, file=sys.stderr, flush=True)


def seconds(value):
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms" if value >= 0.01 else f"{value * 1000:.2f} ms"


def cells(row):
    """A row as text."""

    def side(name):
        found = row.get(name, {})
        if "median" not in found:
            return [found.get("failed", "-")[:60], seconds(found["first"]) if "first" in found else "-", "-"]
        return [seconds(found["median"]), seconds(found["first"]), f"{found['memory'] / 1e9:.2f} GB"]

    ours, theirs = side("ours"), side("theirs")
    ratio = row.get("ratio")
    found = [row["subject"], str(row["batch"]), ours[0]]
    if row["mode"]:
        found += [row["mode"], theirs[0]]
        found.append(f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})" if ratio else "-")
    found += [ours[1], ours[2]]
    if row["mode"]:
        found += [theirs[1], theirs[2]]
        apart = "error" in row
        found += [f"{row['relative_error']:.1e}", f"{row['cosine']:.7f}"] if apart else ["-", "-"]
    return found


def line_of(row):
    return " | ".join(cells(row))


def table(rows):
    header = ["subject", "batch", "ours", "first run", "memory"]
    if rows and rows[0]["mode"]:
        header = ["subject", "batch", "ours", "PyTorch", "its time", "PyTorch / ours", "our first run", "our memory"]
        header += ["its first run", "its memory", "max error / max", "cosine"]
    lines = [header, ["---"] * len(header), *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine(arguments):
    """What the numbers depend on."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    about = {
        "date": datetime.datetime.now().isoformat(timespec="minutes"), "cpu": cpu, "cores": os.cpu_count(),
        "threads": arguments.threads, "device": arguments.device, "load": os.getloadavg()[0],
    }
    if arguments.device != "cpu":
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "--id=0"]
        about["gpu"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return about


def write(bench, about):
    folder, about = bench.arguments.out, about | bench.programs
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "speed.json").write_text(json.dumps({"machine": about, "rows": bench.rows}, indent=1) + "\n")
        text = ", ".join(f"{name} {value}" for name, value in about.items())
        (folder / "speed.md").write_text(f"{text}\n\n{table(bench.rows)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"any of {', '.join(SUBJECTS)} [default: all]")
    parser.add_argument("--binary", required=True, type=Path, help="echozoo; `cargo xtask speed` builds and names it")
    parser.add_argument("--against", choices=["pytorch"])
    modes = "PyTorch's, with commas: eager, tf32, compile, bf16; tf32@8 for batches of 8 alone [default: eager]"
    parser.add_argument("--modes", default="eager", help=modes)
    parser.add_argument("--step-modes", help="modes for training steps [default: those of --modes]")
    parser.add_argument("--device", default="cpu", help="cpu or cuda [default: cpu]")
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], default="f32", help="ours; other than f32 on the CPU alone")
    parser.add_argument("--recompute", action="store_true", help="ours: steps compute blocks again in the backward pass")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="of each side [default: all cores]")
    parser.add_argument("--batch", type=positives, help="with commas, in place of the subjects' own")
    parser.add_argument("--runs", type=positive, default=9, help="turns of a case [default: 9]")
    parser.add_argument("--seconds", type=duration, default=120, help="after so long only 3 turns are needed [default: 120]")
    parser.add_argument("--limit", type=duration, default=900, help="longest wait for one answer, in seconds [default: 900]")
    parser.add_argument("--total", type=duration, default=math.inf, help="no new case after so many seconds [default: no limit]")
    parser.add_argument("--out", type=Path, help="folder for speed.json and speed.md")
    home = Path(os.environ.get("ECHOZOO_HOME", "/tmp/echozoo"))
    parser.add_argument("--prepare", action="store_true", help="make the checkpoints, compile PyTorch's models, and end")
    parser.add_argument("--work", type=Path, default=home / "speed", help="folder of the random checkpoints")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.subjects if name not in SUBJECTS]
    if unknown:
        parser.error(f"unknown subject {unknown[0]}; known: {', '.join(SUBJECTS)}")
    wrong = [mode for mode in f"{arguments.modes},{arguments.step_modes or arguments.modes}".split(",")
             if mode.partition("@")[0] not in MODES]
    if wrong:
        parser.error(f"unknown mode {wrong[0]!r}; known: {', '.join(MODES)}")
    # What a flag would not change is refused, so that no table says that it was measured with it.
    for flag, given, works in [
        ("--precision", arguments.precision != "f32", PRECISE),
        ("--recompute", arguments.recompute, ("step",)),
    ]:
        others = [name for name in arguments.subjects if SUBJECTS[name].work not in works]
        if given and others:
            parser.error(f"{flag} changes nothing of {', '.join(others)}")
    if arguments.threads > os.cpu_count():
        parser.error(f"--threads {arguments.threads}: this machine has {os.cpu_count()} cores")
    if arguments.device != "cpu" and not (arguments.device.startswith("cuda") and shutil.which("nvidia-smi")):
        parser.error(f"--device {arguments.device}: known are cpu, and cuda where there is nvidia-smi")
    if arguments.out:  # before anything is measured
        arguments.out.mkdir(parents=True, exist_ok=True)

    packages = ("torch", "numpy", "safetensors") if arguments.against else ()
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        parser.error(
            f"{sys.executable} has no {', '.join(absent)}: `cargo xtask parity --make-venv` makes an environment that has, "
            "--python names another"
        )

    subjects = [SUBJECTS[name] for name in arguments.subjects or SUBJECTS]
    lock = alone(arguments.work)  # noqa: F841, held until the end
    reads = any(subject.work == "read" for subject in subjects)
    if reads and not videos(arguments.work).exists():
        most = max(batch for subject in SUBJECTS.values() if subject.work == "read" for batch in subject.batches)
        command = [arguments.binary, "phantom", "--out", videos(arguments.work).parent, "--count", str(most)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    networks = [subject for subject in subjects if subject.work != "read"]
    missing = dict.fromkeys(subject.process() for subject in networks if not subject.weights(arguments.work).exists())
    if arguments.against and missing:
        say(f"random checkpoints in {arguments.work}: {', '.join(missing)}")
        command = [sys.executable, HERE / "speed_torch.py", "make", arguments.work]
        encoders = {name.split("-")[0] for name in missing}
        makers = []
        try:
            for encoder in encoders:
                names = [name for name in missing if name.startswith(f"{encoder}-")]
                makers.append(subprocess.Popen([*command, *names]))
            made = [maker.wait() for maker in makers]
        finally:
            for maker in makers:
                maker.kill()
        if any(made):
            sys.exit("the checkpoints could not be made")

    bench = Bench(arguments)
    if arguments.prepare:
        return bench.compile(subjects)
    about = machine(arguments)
    try:
        if bench.on_device:  # all at once, since loading has nothing to do with what is measured
            for side in ("ours", "theirs") if arguments.against else ("ours",):
                for subject in subjects:
                    bench.start(side, subject)
            for worker in bench.workers.values():
                with contextlib.suppress(Failed):  # said when it is asked for something
                    worker.ready(arguments.limit)
        for index, subject in enumerate(subjects):
            for batch in batches_of(subject, arguments):
                modes = modes_at(batch, modes_of(subject, arguments))
                for mode in modes if arguments.against else [None]:
                    if bench.left() <= 0:
                        say(f"no time for {subject.what}, batch {batch}, {mode}")
                        continue
                    bench.measure(subject, batch, mode)
                    write(bench, about)
                    if not bench.on_device:
                        bench.stop(subject)
            if all(subject.process() != later.process() for later in subjects[index + 1 :]):
                bench.stop(subject)
    finally:
        for subject in subjects:
            bench.stop(subject)
        about["load at the end"] = os.getloadavg()[0]
        write(bench, about)
        print(table(bench.rows), end="", flush=True)
    failed = [row for row in bench.rows if any("failed" in row.get(side, {}) for side in ("ours", "theirs"))]
    if failed:
        sys.exit(f"{len(failed)} of {len(bench.rows)} cases failed")


if __name__ == "__main__":
    interruptible(main)
