"""Writes the clip that PanEcho's input pipeline makes of a video: tensor `clip`, f32 [1, 3, 16, 224, 224].

    python zoo/panecho/reference/preprocess.py VIDEO OUT.safetensors [--start FRAME]

For comparison with `echozoo inspect --clip`. Decoding and resizing are OpenCV's, crop and normalisation are
torchvision's. Written against opencv-python-headless 5.0.0.93 and torchvision 0.29.2.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.transforms import v2

FRAMES, RESIZE, SIZE = 16, 256, 224
# For RGB by their origin, applied to BGR as released.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def decode(path: Path):
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=int, default=0)
    arguments = parser.parse_args()

    video = decode(arguments.video)
    frames = video[arguments.start : arguments.start + FRAMES]
    if not frames:
        raise SystemExit(f"{arguments.video}: {len(video)} frames, none from {arguments.start} on")
    frames += [frames[-1]] * (FRAMES - len(frames))
    frames = [cv2.resize(frame, (RESIZE, RESIZE), interpolation=cv2.INTER_AREA) for frame in frames]
    images = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)  # [frames, 3, height, width]
    images = v2.functional.to_dtype(v2.functional.center_crop(images, SIZE), torch.float32, scale=True)
    clip = v2.functional.normalize(images, MEAN, STD).transpose(0, 1).unsqueeze(0).contiguous()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"clip": clip}, arguments.out)
    print(f"{arguments.video.name}: {len(video)} frames -> clip {list(clip.shape)}, mean {clip.mean():.6f}")


if __name__ == "__main__":
    main()
