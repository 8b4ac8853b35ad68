"""Files of weights, inputs and outputs, in one layout for every size."""

from pathlib import Path

import torch
from model import text_outputs, video_outputs, view_outputs
from randomise import randomise
from safetensors.torch import save_file


def write_weights(folder: Path, seed: int, video, text, views) -> None:
    """`echo_prime_encoder.pt`, `echo_prime_text_encoder.pt` and `view_classifier.pt`, as upstream releases them."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"echo_prime_encoder": video, "echo_prime_text_encoder": text, "view_classifier": views}
    for name, model in files.items():
        randomise(model, seed)
        weights = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
        torch.save(weights, folder / f"{name}.pt")
        print(f"{name}: {len(weights)} tensors, {sum(p.numel() for p in model.parameters())} parameters")


def write_outputs(folder: Path, video, text, views, clips, ids: torch.Tensor, lengths: torch.Tensor) -> None:
    """For every clip n: `clip_n.safetensors` (`clip`, in half precision) and `video_n.safetensors` (`embedding`,
    `class`, `patch_means`, `view_logits`); `text.safetensors` (`ids` and `lengths` as floats, `text_embedding`)."""
    for number, clip in enumerate(clips):
        clip = clip.half()
        save_file({"clip": clip}, folder / f"clip_{number}.safetensors")
        outputs = video_outputs(video, clip.float()) | view_outputs(views, clip.float())
        write(folder / f"video_{number}.safetensors", outputs)
    write(
        folder / "text.safetensors",
        text_outputs(text, ids, lengths) | {"ids": ids.float(), "lengths": lengths.float()},
    )


def write(path: Path, tensors: dict) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    for name, tensor in tensors.items():
        print(f"{path.name} {name:14} {str(list(tensor.shape)):14} rms {tensor.double().square().mean().sqrt():.4f}")
