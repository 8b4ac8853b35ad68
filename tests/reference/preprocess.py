"""The clips that the encoders' own input pipelines make of a video, with the libraries that those use.

    python tests/reference/preprocess.py clip ENCODER VIDEO OUT.safetensors [--start FRAME]
    python tests/reference/preprocess.py goldens

`clip` writes the whole clip, tensor `clip`, f32 [1, 3, frames, size, size], for comparison with
`echozoo inspect --clip`. `goldens` writes what `tests/src/preprocessing.rs` compares with, one file in tests/fixtures
for each encoder: of every video there (phantoms.sh makes them) the clip's shape, a sample of its values, statistics of
every plane, and which frames repeat earlier ones.

Decoding and resizing are OpenCV's, EchoCLIP's and CLIP's image transform is open_clip's on a PIL image, EchoPrime's normalisation
is torch's, PanEcho's centre crop and normalisation are torchvision's, and so is all of MViT's transform, R(2+1)D's
normalisation is NumPy's; EchoViewCLIP's frames, sizes and crop are computed here as mmaction and mmcv do. Written against
opencv-python-headless 5.0.0.93
(4.8.0.76, which EchoCLIP pins, gives the same pixels of these videos), Pillow 13.0.0, open_clip_torch 3.3.0, torch
2.15.0 and torchvision 0.29.2. OpenCV is used as its wheel for x86 comes: its cubic filter is then Intel's,
which keeps the weights unrounded. With OPENCV_IPP=disabled in the environment it is OpenCV's own.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import save_file
from torchvision.models.video import MViT_V2_S_Weights
from torchvision.transforms import v2

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
# Values of a clip that a golden keeps, and the seed of their places.
SAMPLE, SEED = 2048, 20

SIDE, ZOOM = 224, 0.1


def decode(path):
    """All frames as OpenCV gives them: u8 [height, width, 3] in BGR order."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        more, frame = capture.read()
        if not more:
            break
        frames.append(frame)
    capture.release()
    if not frames:
        raise SystemExit(f"{path}: OpenCV decodes no frame")
    return frames


def trim(frame, margin_y, margin_x):
    height, width = frame.shape[:2]
    return frame[margin_y : height - margin_y, margin_x : width - margin_x]


def zoomed_square(frame, side=SIDE, zoom=ZOOM):
    """The square in the middle, less a part at every edge, by OpenCV's cubic filter at the size of the encoder."""
    height, width = frame.shape[:2]
    excess = round((width - height) / 2)  # Python rounds half to even
    frame = trim(frame, max(-excess, 0), max(excess, 0))
    height, width = frame.shape[:2]
    frame = trim(frame, int(height * zoom), int(width * zoom))
    return cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC)


def echoclip(video):
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    transform = image_transform(SIDE, is_train=False, mean=mean, std=std)
    # The arrays are handed to PIL as they are: what PIL calls red is blue.
    images = [Image.fromarray(zoomed_square(frame)) for frame in video[: min(40, len(video)) : 2]]
    return torch.stack([transform(image) for image in images], dim=1)


def echoprime(video):
    window, stride = 32, 2
    mean, std = torch.tensor([29.110628, 28.076836, 29.096405]), torch.tensor([47.989223, 46.456997, 47.20083])
    # In the order of upstream's path for MP4 files, whose reader gives RGB.
    frames = [cv2.cvtColor(zoomed_square(frame), cv2.COLOR_BGR2RGB) for frame in video]
    clip = torch.from_numpy(np.stack(frames)).float().permute(3, 0, 1, 2)
    clip = (clip - mean.reshape(3, 1, 1, 1)) / std.reshape(3, 1, 1, 1)
    # Zeros of normalised values: mean grey, not black.
    missing = max(window - clip.shape[1], 0)
    clip = torch.cat([clip, torch.zeros(3, missing, SIDE, SIDE)], dim=1)
    return clip[:, :window:stride]


def panecho(video):
    frames, resize = 16, 256
    # ImageNet's, which are for RGB, on BGR.
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    video = video[:frames]
    video = video + [video[-1]] * (frames - len(video))
    images = [cv2.resize(frame, (resize, resize), interpolation=cv2.INTER_AREA) for frame in video]
    images = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    images = v2.functional.to_dtype(v2.functional.center_crop(images, SIDE), torch.float32, scale=True)
    return v2.functional.normalize(images, mean, std).transpose(0, 1)


def clip(video):
    # CLIP's transform is for pictures; which frames are taken is our choice.
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    transform = image_transform(SIDE, is_train=False, mean=mean, std=std)
    images = [Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)) for frame in video[: 16 * 4 : 4]]
    return torch.stack([transform(image) for image in images], dim=1)


def mvit_kinetics(video):
    # torchvision's transform; which frames are taken is our choice.
    transform = MViT_V2_S_Weights.KINETICS400_V1.transforms()
    frames = video[: 16 * 7 : 7]
    frames = frames + [frames[-1]] * (16 - len(frames))
    images = torch.from_numpy(np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]))
    return transform(images.permute(0, 3, 1, 2))


def r2plus1d(video):
    length, period, side = 32, 2, 112
    mean, std = np.float32([32.756, 32.941, 33.275]), np.float32([49.924, 50.054, 50.397])
    frames = [cv2.cvtColor(zoomed_square(frame, side, zoom=0), cv2.COLOR_BGR2RGB) for frame in video]
    clip = (np.stack(frames).astype(np.float32) - mean) / std
    # Zeros of normalised values: mean grey, not black.
    missing = max(length * period - len(clip), 0)
    clip = np.concatenate([clip, np.zeros((missing, side, side, 3), np.float32)])
    return torch.from_numpy(clip[: length * period : period]).permute(3, 0, 1, 2)


def echoviewclip(video):
    # The middle frames of equal segments, in the arithmetic of mmaction's SampleFrames at test.
    frames, resize = 16, 256
    segment = len(video) / frames
    chosen = (np.arange(frames) * segment + segment / 2).astype(np.int64)
    images = []
    for frame in (video[index] for index in chosen):
        height, width = frame.shape[:2]
        scale = resize / min(height, width)  # mmcv.rescale_size
        size = int(width * scale + 0.5), int(height * scale + 0.5)
        # mmcv.imresize, on the colours that decord gives.
        image = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), size, interpolation=cv2.INTER_LINEAR)
        top, left = (image.shape[0] - SIDE) // 2, (image.shape[1] - SIDE) // 2
        images.append(image[top : top + SIDE, left : left + SIDE])
    clip = torch.from_numpy(np.stack(images)).float().permute(3, 0, 1, 2)
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return (clip - mean.reshape(3, 1, 1, 1)) / std.reshape(3, 1, 1, 1)


ENCODERS = {
    "echoclip": echoclip, "echoprime": echoprime, "panecho": panecho, "clip": clip, "r2plus1d": r2plus1d,
    "mvit-kinetics": mvit_kinetics, "echoviewclip": echoviewclip,
}


def first_alike(clip):
    """For every frame of a clip the first frame with the same values: its own number, unless it repeats another."""
    frames = clip.unbind(1)
    return [next(s for s in range(t + 1) if torch.equal(frames[s], frames[t])) for t in range(len(frames))]


def golden(clip):
    generator = torch.Generator().manual_seed(SEED)
    positions = torch.randperm(clip.numel(), generator=generator)[:SAMPLE].sort().values
    planes = clip.flatten(2)
    # Whole numbers as tables of one row: so the tests read them.
    return {
        "shape": torch.tensor([clip.shape]),
        "positions": positions.unsqueeze(0),
        "values": clip.reshape(-1)[positions],
        "means": planes.double().mean(2).float(),
        "lowest": planes.amin(2),
        "highest": planes.amax(2),
        "alike": torch.tensor([first_alike(clip)]),
    }


def write_goldens():
    videos = sorted(FIXTURES.glob("*.avi"))
    for name, pipeline in ENCODERS.items():
        tensors = {}
        for path in videos:
            clip = pipeline(decode(path)).contiguous()
            tensors |= {f"{path.stem}.{key}": value.contiguous() for key, value in golden(clip).items()}
            print(f"{name} {path.name}: clip {list(clip.shape)}, mean {clip.mean():.6f}")
        out = FIXTURES / f"inputs_{name}.safetensors"
        save_file(tensors, out)
        out.chmod(0o644)
        print(f"{out}: {out.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("goldens")
    clip = commands.add_parser("clip")
    clip.add_argument("encoder", choices=ENCODERS)
    clip.add_argument("video", type=Path)
    clip.add_argument("out", type=Path)
    clip.add_argument("--start", type=int, default=0)
    arguments = parser.parse_args()

    if arguments.command == "goldens":
        write_goldens()
        return
    video = decode(arguments.video)
    total, (height, width) = len(video), video[0].shape[:2]
    if not 0 <= arguments.start < total:
        raise SystemExit(f"{arguments.video}: {total} frames, so --start is 0 to {total - 1}")
    tensor = ENCODERS[arguments.encoder](video[arguments.start :]).unsqueeze(0).contiguous()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"clip": tensor}, arguments.out)
    print(f"{arguments.video.name}: {total} frames of {width}x{height} -> clip {list(tensor.shape)}, mean {tensor.mean():.6f}")


if __name__ == "__main__":
    main()
