"""How many drop images per second a DINOv2-base classifier scores at 518 x 518, the plain way and structloop's ways.

    python benchmarks/dinov2_throughput.py [--images N] [--rounds R] [--threads T] [--quick]

Weights are random (the arithmetic takes as long); the images are synthetic JPEGs of 1280 x 1024. The plain way is what
a short script would do: the transformers library, torch fp32, one image at a time, the model kept loaded, all cores.
All sides see the same images in the same process, taking turns round by round; the table gives the median round and the
largest difference in probability from the plain way over all images. Warm-up is not counted.
"""

import argparse
import io
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openvino
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax
from transformers import Dinov2ForImageClassification

from structloop.models.classifiers.axis_preprocessing import IMAGENET_MEAN, IMAGENET_STD, RECIPE, prepare_grayscale
from structloop.models.classifiers.dinov2 import Dinov2Architecture, build_network
from structloop.models.openvino_engine import OpenVinoNetwork, convert
from structloop.models.quantisation import quantise_linear_layers
from structloop.models.runtime import Network, NetworkSource, Runtime, compile_network

BASE = Dinov2Architecture(image_size=518)
PIXELS = 518
BATCH = 8
SAMPLES = 4


@dataclass
class Side:
    """One way of scoring: `scan` takes JPEG files, `infer` decoded and prepared images; both give probabilities."""

    name: str
    scan: Callable[[list[bytes]], NDArray[np.float64]]
    infer: Callable[[list[bytes]], Callable[[], NDArray[np.float64]]]
    seconds_with_decoding: list[float] = field(default_factory=list)
    seconds_without: list[float] = field(default_factory=list)
    probabilities: NDArray[np.float64] | None = None


def jpeg_images(count: int) -> list[bytes]:
    """Smooth random images with an edge-rich region, as bytes of JPEG files."""
    files = []
    for seed in range(count):
        generator = np.random.default_rng(seed)
        coarse = generator.integers(60, 200, (16, 20, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((1280, 1024), Image.Resampling.BICUBIC)
        fine = Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)).resize((400, 400))
        image.paste(fine, (int(generator.integers(0, 880)), int(generator.integers(0, 600))))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def random_weights() -> dict[str, torch.Tensor]:
    """Weights of DINOv2-base's shapes, spread so that activations and probabilities vary from image to image."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in BASE.shapes(2).items():
        if name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "lambda1")):
            weights[name] = torch.ones(shape)
        elif name == "classifier.weight":
            weights[name] = 0.1 * torch.randn(shape, generator=generator)
        else:
            weights[name] = 0.03 * torch.randn(shape, generator=generator)
    return weights


def centre_head(weights: dict[str, torch.Tensor], samples: list[NDArray[np.uint8]]) -> None:
    """Moves and scales the random head so that the probabilities of `samples` spread about 0.5.

    Random features differ little between images; without this all would be 0 or 1, and no error would show.
    """
    network = build_network(BASE, weights, RECIPE, "random")
    with torch.inference_mode():
        logits = torch.cat([network(torch.from_numpy(sample.copy())) for sample in samples])
    scale = 1.0 / (logits[:, 0] - logits[:, 1]).std()
    weights["classifier.weight"] = weights["classifier.weight"] * scale
    weights["classifier.bias"] = (weights["classifier.bias"] - logits.mean(dim=0)) * scale


def plain_side(weights: dict[str, torch.Tensor]) -> Side:
    """The transformers library, fp32, one image at a time."""
    library = build_network(BASE, weights, RECIPE, "random").get_submodule("classifier")
    assert isinstance(library, Dinov2ForImageClassification)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))

    def tensor_of(file: bytes) -> torch.Tensor:
        image = Image.open(io.BytesIO(file)).convert("RGB").convert("L").convert("RGB")
        resized = image.resize((PIXELS, PIXELS), Image.Resampling.BILINEAR)
        values = torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).float() / 255
        return ((values - mean) / std)[None]

    def score(pixels: torch.Tensor) -> float:
        with torch.no_grad():
            logits = library(pixel_values=pixels).logits
        return float(torch.softmax(logits, dim=-1)[0, 0])

    def infer(files: list[bytes]) -> Callable[[], NDArray[np.float64]]:
        tensors = [tensor_of(file) for file in files]
        return lambda: np.array([score(tensor) for tensor in tensors])

    return Side(
        "plain: transformers, torch fp32, one at a time",
        lambda files: np.array([score(tensor_of(file)) for file in files]),
        infer,
    )


def our_side(name: str, network: Network, threads: int) -> Side:
    """A compiled network fed with batches that other threads prepare meanwhile, as scoring does."""

    def prepare(file: bytes) -> NDArray[np.uint8]:
        return prepare_grayscale(Image.open(io.BytesIO(file)), RECIPE)

    def probabilities(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(softmax(network(batch).astype(np.float64), axis=1)[:, 0])

    def scan(files: list[bytes]) -> NDArray[np.float64]:
        with ThreadPoolExecutor(threads) as pool:
            prepared = [pool.submit(prepare, file) for file in files]
            found = [
                probabilities(np.stack([each.result() for each in prepared[start : start + BATCH]]))
                for start in range(0, len(files), BATCH)
            ]
        return np.concatenate(found)

    def infer(files: list[bytes]) -> Callable[[], NDArray[np.float64]]:
        batches = [
            np.stack([prepare(f) for f in files[start : start + BATCH]]) for start in range(0, len(files), BATCH)
        ]
        return lambda: np.concatenate([probabilities(batch) for batch in batches])

    return Side(name, scan, infer)


def all_sides(threads: int) -> list[Side]:
    """The plain way first, then structloop's."""
    weights = random_weights()
    samples = [prepare_grayscale(Image.open(io.BytesIO(file)), RECIPE)[None] for file in jpeg_images(SAMPLES)]
    centre_head(weights, samples)
    source = NetworkSource(
        "dinov2-base-random", lambda: build_network(BASE, weights, RECIPE, "random"), (1, PIXELS, PIXELS), "uint8"
    )
    graph = convert(source)
    sides = [plain_side(weights)]
    bf16 = Runtime("torch", "bf16", threads)
    sides.append(our_side("structloop: torch bf16", compile_network(source, bf16), threads))
    for precision in ("fp32", "bf16"):
        runtime = Runtime("openvino", precision, threads)
        sides.append(our_side(f"structloop: OpenVINO {precision}", OpenVinoNetwork(source, runtime, graph), threads))
    eight_bits = quantise_linear_layers(graph, samples)
    network = OpenVinoNetwork(source, Runtime("openvino", "bf16", threads), eight_bits)
    sides.append(our_side("structloop: OpenVINO int8", network, threads))
    return sides


def measure(sides: list[Side], files: list[bytes], rounds: int) -> None:
    """Lets the sides take turns, `rounds` times each."""
    for side in sides:
        side.infer(files[:2])()
    for _ in range(rounds):
        for side in sides:
            start = time.perf_counter()
            side.probabilities = side.scan(files)
            side.seconds_with_decoding.append(time.perf_counter() - start)
            ready = side.infer(files)
            start = time.perf_counter()
            ready()
            side.seconds_without.append(time.perf_counter() - start)


def table(sides: list[Side], count: int) -> str:
    """Markdown, the plain way as the unit."""
    lines = [
        "| way | images/s, decoding included | images/s, network alone | times the plain way (both) | "
        "largest difference in probability |",
        "|---|---:|---:|---:|---:|",
    ]
    plain = sides[0]
    assert plain.probabilities is not None
    for side in sides:
        assert side.probabilities is not None
        with_decoding = count / statistics.median(side.seconds_with_decoding)
        without = count / statistics.median(side.seconds_without)
        faster = with_decoding / (count / statistics.median(plain.seconds_with_decoding))
        faster_alone = without / (count / statistics.median(plain.seconds_without))
        difference = float(np.abs(side.probabilities - plain.probabilities).max())
        ratios = f"{faster:.2f}, {faster_alone:.2f}"
        lines.append(f"| {side.name} | {with_decoding:.2f} | {without:.2f} | {ratios} | {difference:.5f} |")
    return "\n".join(lines)


def machine(threads: int) -> str:
    """Processor, threads, load and versions, for below the table."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, OpenVINO {openvino.__version__}"
    return f"{model}, {threads} threads{load}; {versions.split('-', 1)[0]}"


def main() -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="4 images, one round: whether it runs")
    options = parser.parse_args()
    images, rounds = (4, 1) if options.quick else (options.images, options.rounds)
    torch.set_num_threads(options.threads)
    files = jpeg_images(images)
    sides = all_sides(options.threads)
    measure(sides, files, rounds)
    print(table(sides, images))
    print()
    probabilities = sides[0].probabilities
    assert probabilities is not None
    spread = f"{probabilities.min():.3f} to {probabilities.max():.3f}"
    print(f"{images} images, {rounds} rounds, probabilities {spread}. {machine(options.threads)}.")


if __name__ == "__main__":
    main()
