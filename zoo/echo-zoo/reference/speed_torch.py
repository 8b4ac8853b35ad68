"""PyTorch's side of speed.py: upstream's modules with random weights, timed run by run.

    python speed_torch.py make FOLDER ENCODER-PRESET-TOWER...
    python speed_torch.py work FOLDER ENCODER-PRESET --device cpu --threads 2

`make` writes a checkpoint in upstream's names with every parameter random, and `input.safetensors`; towers are clip, text
and view, and only EchoPrime has a file for each;
`work` answers the lines that `echozoo speed` answers, but that `case WORK BATCH MODE` has a mode as well:

- eager: 32-bit floats, without TF32
- tf32: the same with TF32 in matrix products and convolutions
- compile: as eager, by `torch.compile`
- bf16: autocast to bfloat16

Work `read` makes clips of phantom videos by the functions of `tests/reference/preprocess.py` (OpenCV, PIL, torchvision), a
video a thread, as many threads as asked for: OpenCV and torch leave Python's lock while they work.
"""

import argparse
import importlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[3]
SEED = 1
CLIPS, FRAMES = 2, 16

# What `src/speed.rs` trains with.
CENTRE, SPREAD, TARGET = 50.0, 10.0, 63.0
LR, WEIGHT_DECAY = 1e-4, 1e-2
CONTEXT, PROMPT, LOGIT_SCALE = 16, 40, 100.0


def reference(encoder, *names):
    """Modules of an encoder's reference scripts; those of different encoders have the same names."""
    return reference_of(f"zoo/{encoder}/reference", *names)


def reference_of(folder, *names):
    folder = str(ROOT / folder)
    for name in ("model", "randomise", "towers"):
        sys.modules.pop(name, None)
    sys.path.insert(0, folder)
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(folder)


class EchoClip:
    sizes = {"full": 224, "nano": 64}

    def __init__(self, preset):
        self.towers, self.random = reference("echoclip", "towers", "randomise")
        self.size = self.towers.FULL if preset == "full" else self.towers.NANO

    def make(self, folder, _tower):
        model = self.towers.EchoClip(**self.size)
        self.random.randomise(model, SEED)
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")

    def inputs(self):
        """202 texts that end at their largest id, as CLIP's do."""
        return texts(202, 77, 20, self.size["vocabulary"] - 2, end=self.size["vocabulary"] - 1)

    def load(self, folder, _work, device):
        model = self.towers.EchoClip(**self.size)
        model.load_state_dict(load_file(folder / "open_clip_model.safetensors"))
        self.model = model.to(device)
        return self.model.visual.parameters(), self.size["dim"]

    def embed(self, clip):
        return self.model.encode_clip(clip)

    def text(self, ids, _lengths):
        return self.model.encode_text(ids)

    def words(self, ids):
        return self.model.token_embedding(ids)

    def encode_words(self, words, lengths):
        return self.model.encode_words(words, lengths - 1)


class EchoPrime:
    sizes = {"full": 224, "nano": 64}
    part = {"text": "echo_prime_text_encoder", "view": "view_classifier"}

    def __init__(self, preset):
        self.modules, self.random = reference("echoprime", "model", "randomise")
        self.full = preset == "full"

    def build(self, part):
        if part == "view_classifier":
            return self.modules.full_view()
        if part == "echo_prime_text_encoder":
            return self.modules.Text(self.modules.BertConfig(), 512).eval()
        if self.full:
            return self.modules.full_video()
        return self.modules.Video(
            clip=(FRAMES, 64, 64), depths=(1, 1, 2, 1), widths=(24, 32, 64, 96), heads=(1, 2, 2, 4), stride_kv=4,
            dim=96, patch_kernel=(3, 9, 9), patch_stride=(2, 8, 8),
        ).build()

    def make(self, folder, tower):
        """The video tower, without which there is none, and another in a folder of its own with a link to it."""
        first = folder / "echo_prime_encoder.pt"
        if not first.exists():
            self.write("echo_prime_encoder", first)
        if part := self.part.get(tower):
            (folder / part).mkdir(exist_ok=True)
            self.write(part, folder / part / f"{part}.pt")
            if not (folder / part / first.name).exists():
                os.link(first, folder / part / first.name)

    def write(self, part, file):
        model = self.build(part)
        self.random.randomise(model, SEED)
        torch.save(model.state_dict(), file)

    def inputs(self):
        return texts(8, 128, 64, 30000)

    def load(self, folder, work, device):
        part = self.part.get(work)
        file = folder / part / f"{part}.pt" if part else folder / "echo_prime_encoder.pt"
        model = self.build(part or "echo_prime_encoder")
        model.load_state_dict(torch.load(file))
        self.model = model.to(device)
        return self.model.parameters(), 512 if self.full else 96

    def embed(self, clip):
        return self.model(clip)

    def text(self, ids, lengths):
        return self.encode_words(self.words(ids), lengths)

    def words(self, ids):
        return self.model.backbone.get_input_embeddings()(ids)

    def encode_words(self, words, lengths):
        """Without the language model's head, of which nothing is used."""
        mask = (torch.arange(words.shape[1], device=words.device) < lengths[:, None]).long()
        states = self.model.backbone.bert(inputs_embeds=words, attention_mask=mask).last_hidden_state
        return self.model.text_projection(states[:, 0])

    def view(self, clip):
        return self.model(clip[:, :, 0])


class PanEcho:
    sizes = {"full": 224, "nano": 64}

    def __init__(self, preset):
        self.modules, self.random = reference("panecho", "model", "randomise")
        nano = {"depths": (0, 1, 1, 1), "dims": (8, 16, 32, 160), "heads": 4, "layers": 2}
        self.size = self.modules.FULL if preset == "full" else nano

    def make(self, folder, _tower):
        model = self.modules.PanEcho(**self.size)
        self.random.randomise(model, SEED)
        torch.save({"epoch": 0, "weights": self.modules.checkpoint(model)}, folder / "panecho.pt")

    def inputs(self):
        return {}

    def load(self, folder, _work, device):
        model = self.modules.PanEcho(**self.size)
        weights = torch.load(folder / "panecho.pt")["weights"]
        weights.pop("encoder.time_encoder.pe")
        model.load_state_dict(weights)
        self.model = model.to(device)
        self.positions = self.modules.positions(FRAMES, self.size["dims"][-1]).to(device)
        return self.model.encoder.parameters(), self.size["dims"][-1]

    def embed(self, clip):
        batch, channels, frames, height, width = clip.shape
        images = clip.reshape(batch * frames, channels, height, width)
        features = self.model.image_features(images).reshape(batch, frames, -1)
        return self.model.encoder["transformer"](features + self.positions).mean(dim=1)


ENCODERS = {"echoclip": EchoClip, "echoprime": EchoPrime, "panecho": PanEcho}


def texts(count, tokens, least, words, end=None):
    """Ids and lengths, as floats since `echozoo speed` reads no whole numbers."""
    random = torch.Generator().manual_seed(SEED)
    ids = torch.randint(5, words, (count, tokens), generator=random)
    lengths = torch.randint(least, tokens + 1, (count,), generator=random)
    ids[torch.arange(tokens) >= lengths[:, None]] = 0
    if end is not None:
        ids[torch.arange(count), lengths - 1] = end
    return {"ids": ids.float(), "lengths": lengths.float()}


def make(folder, name):
    encoder, preset, tower = name.split("-")
    model, folder = ENCODERS[encoder](preset), folder / f"{encoder}-{preset}"
    folder.mkdir(parents=True, exist_ok=True)
    size = model.sizes[preset]
    clip = torch.randn(CLIPS, 3, FRAMES, size, size, generator=torch.Generator().manual_seed(SEED))
    save_file({"clip": clip} | model.inputs(), folder / "input.safetensors")
    model.make(folder, tower)


class Worker:
    def __init__(self, folder, name, device, threads):
        self.folder, self.device = folder / name, torch.device(device)
        self.encoder = ENCODERS[name.split("-")[0]](name.split("-")[1])
        input_file = self.folder / "input.safetensors"
        self.input = load_file(input_file) if input_file.exists() else {}
        self.threads = threads
        self.loaded, self.run = None, None

    def synchronise(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def load(self, work):
        """What trains, and an embedding's length; a tower that is there already is not loaded again."""
        tower = {"text": "text", "coop": "text", "view": "view"}.get(work, "clip")
        if self.loaded != tower:
            self.encoder.model = None
            self.weights = self.encoder.load(self.folder, tower, self.device)
            self.encoder.model.requires_grad_(False)
            self.loaded = tower
        return self.weights

    def repeated(self, name, batch):
        rows = self.input[name]
        return rows[torch.arange(batch) % len(rows)].to(self.device)

    def case(self, work, batch, mode):
        self.run, self.output = None, None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "tf32"
        if work == "read":
            self.run = self.reader(batch)
            return
        trained, dim = self.load(work)
        if work == "coop":
            ids, lengths = self.repeated("ids", batch).long(), self.repeated("lengths", batch).long()
            self.run = CoopStep(self.encoder, ids[:, :PROMPT], lengths.clamp(max=PROMPT))
            return
        function = getattr(self.encoder, "embed" if work == "step" else work)
        if mode == "compile":
            function = torch.compile(function)
        half = mode == "bf16"

        def forward(*inputs):
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
                return function(*inputs)

        if work == "text":
            ids, lengths = self.repeated("ids", batch).long(), self.repeated("lengths", batch).long()
            self.run = torch.inference_mode()(lambda: forward(ids, lengths).float().cpu())
            return
        clip = self.repeated("clip", batch)
        if work != "step":
            self.run = torch.inference_mode()(lambda: forward(clip).float().cpu())
            return
        self.loaded = None  # the weights change
        self.run = Step(forward, list(trained), dim, clip)

    def reader(self, count):
        """Reads so many videos: the means of every clip's planes."""
        (modules,) = reference_of("tests/reference", "preprocess")
        modules.cv2.setNumThreads(1)
        torch.set_num_threads(1)
        pipeline = modules.ENCODERS[self.folder.name.split("-")[0]]
        videos = sorted((self.folder.parent / "phantoms" / "Videos").glob("*.avi"))[:count]
        if len(videos) < count:
            raise ValueError(f"{len(videos)} videos, not {count}")
        pool = ThreadPoolExecutor(self.threads)

        def means(video):
            return pipeline(modules.decode(video)).contiguous().mean(dim=(2, 3)).flatten()

        return lambda: torch.stack(list(pool.map(means, videos)))

    def time(self):
        self.synchronise()
        started = time.perf_counter()
        self.output = self.run()
        self.synchronise()
        return f"seconds {time.perf_counter() - started:.9f}"

    def answer(self, line):
        match line.split():
            case ["case", work, batch, mode]:
                self.case(work, int(batch), mode)
                return self.time()
            case ["run"]:
                return self.time()
            case ["write", file]:
                save_file({"output": self.output.contiguous()}, file)
                return "written"
        return f"failed {line!r} is not understood"


class Step:
    """One step of full fine-tuning with a linear head on embeddings at a length of the root of their dimension."""

    def __init__(self, embed, trained, dim, clip):
        self.embed, self.dim, self.clip, self.losses = embed, dim, clip, []
        self.weight = nn.Parameter(torch.zeros(dim, 1, device=clip.device))
        self.bias = nn.Parameter(torch.zeros(1, device=clip.device))
        for parameter in trained:
            parameter.requires_grad_()
        self.optimizer = torch.optim.AdamW([*trained, self.weight, self.bias], lr=LR, weight_decay=WEIGHT_DECAY)

    def __call__(self):
        x = F.normalize(self.embed(self.clip).float(), dim=-1) * self.dim**0.5
        loss = (CENTRE + SPREAD * (x @ self.weight + self.bias) - TARGET).abs().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        return torch.tensor(self.losses)


class CoopStep:
    """One step of prompt learning: one feature that is to be most like the first of all prompts, by learnable vectors
    behind the prompts' first token."""

    def __init__(self, encoder, ids, lengths):
        self.encoder, self.words, self.lengths, self.losses = encoder, encoder.words(ids), lengths, []
        start = 0.02 * wave(CONTEXT * self.words.shape[-1], ids.device)
        self.context = nn.Parameter(start.reshape(1, CONTEXT, -1))
        self.optimizer = torch.optim.AdamW([self.context], lr=LR, weight_decay=WEIGHT_DECAY)

    def __call__(self):
        context = self.context.expand(len(self.words), -1, -1)
        words = torch.cat([self.words[:, :1], context, self.words[:, CONTEXT + 1 :]], dim=1)
        texts = F.normalize(self.encoder.encode_words(words, self.lengths), dim=-1)
        dim = texts.shape[1]
        logits = texts @ wave(dim, texts.device) * (LOGIT_SCALE / dim**0.5)
        loss = -F.log_softmax(logits, dim=0)[0]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        return torch.tensor(self.losses)


def wave(count, device):
    """Values between -1 and 1 without pattern."""
    return torch.sin(0.7 * torch.arange(count, dtype=torch.float64) ** 2).float().to(device)


def work(folder, name, device, threads, reads):
    started = time.perf_counter()
    if threads:
        torch.set_num_threads(threads)
    worker = Worker(folder, name, device, threads)
    chip = torch.cuda.get_device_name() if worker.device.type == "cuda" else "cpu"
    if not reads:
        worker.load("embed")
    print(f"ready {time.perf_counter() - started:.6f} PyTorch {torch.__version__} on {chip}", flush=True)
    for line in sys.stdin:
        try:
            answer = worker.answer(line)
        except Exception as error:  # a case that does not fit into memory ends alone
            worker.run = worker.output = worker.loaded = None
            answer = f"failed {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for command in ("make", "work"):
        arguments = commands.add_parser(command)
        arguments.add_argument("folder", type=Path)
        arguments.add_argument("names", nargs="+" if command == "make" else 1)
        arguments.add_argument("--device", default="cpu")
        arguments.add_argument("--threads", type=int)
        arguments.add_argument("--reads", action="store_true", help="no encoder is needed, only work `read`")
    arguments = parser.parse_args()
    if arguments.command == "work":
        return work(arguments.folder, arguments.names[0], arguments.device, arguments.threads, arguments.reads)
    for name in arguments.names:
        make(arguments.folder, name)


if __name__ == "__main__":
    main()
