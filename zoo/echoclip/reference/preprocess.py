"""Writes the clip that EchoCLIP's input pipeline makes of a video: tensor `clip`, f32 [1, 3, t, 224, 224].

    python zoo/echoclip/reference/preprocess.py VIDEO OUT.safetensors

For comparison with `echozoo inspect --clip`. Decoding and resizing are OpenCV's, the image transform is
open_clip's own. Upstream ran opencv-python-headless 4.8.0.76, Pillow 10.0.0 and open_clip_torch 2.20.0; written
against 5.0.0.93, 13.0.0 and 3.3.0.
"""

import argparse
from pathlib import Path

import cv2
import torch
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import save_file

SIZE, ZOOM, LIMIT, STRIDE = 224, 0.1, 40, 2
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def crop(frame, margin_y, margin_x):
    height, width = frame.shape[:2]
    return frame[margin_y : height - margin_y, margin_x : width - margin_x]


def to_square(frame):
    height, width = frame.shape[:2]
    excess = round((width - height) / 2)  # Python rounds half to even
    frame = crop(frame, max(-excess, 0), max(excess, 0))
    height, width = frame.shape[:2]
    frame = crop(frame, int(height * ZOOM), int(width * ZOOM))
    return cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


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
    arguments = parser.parse_args()

    frames = decode(arguments.video)
    total, (height, width) = len(frames), frames[0].shape[:2]
    transform = image_transform(SIZE, is_train=False, mean=MEAN, std=STD)
    # The array is handed to PIL as it is: what PIL calls red is blue.
    steps = [transform(Image.fromarray(to_square(frame))) for frame in frames[: min(LIMIT, total) : STRIDE]]
    clip = torch.stack(steps, dim=1).unsqueeze(0).contiguous()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"clip": clip}, arguments.out)
    print(f"{arguments.video.name}: {total} frames of {width}x{height} -> clip {list(clip.shape)}, mean {clip.mean():.6f}")


if __name__ == "__main__":
    main()
