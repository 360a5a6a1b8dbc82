"""Random command lines: options, values and the folder that they name, valid and not."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

from studentsearch.models.cifar import densenet_digits

_ODD = [
    "",
    " ",
    "-",
    "--",
    "-1",
    "0",
    "1",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "9" * 30,
    "9" * 5000,
    "0x10",
    "\u0661",
    "1_0",
    "0.5",
    "1,2",
    "x" * 300,
    "x" * 5000,
    "a/b/../../c",
    "../..",
    "/",
    ".",
    "~",
    "/dev/null",
    "/proc/self/mem",
    "\x1b[2J",
    "two\nlines",
    "tab\t",
    "\udcff",
    "é",
    "😀",
    "%s",
    "{0}",
    "$(true)",
    "'",
    '"',
    "a;b",
    "*",
    "[",
    "(",
    "none",
    "auto",
    "True",
    "digits",
    "50%",
    "\u202e",
]
_MODELS = [
    "densenet_digits",
    "resnet8",
    "resnet20_b",
    "densnet",
    "densenet",
    "densenet40_12",
    "densenet_",
    "densenet0_0",
    "densenet5_1",
    "densenet999_999",
    "vgg11",
    "mobilenet",
    "cl_vgg6",
    "torchvision:resnet18",
    "torchvision:",
    "torchvision:none",
    "torchvision:vit_b_16",
    "timm:resnet18",
    "timm:none",
    "timm:",
    "hf:x",
    "python:",
    "python:os",
    "python:os:getcwd",
    "python:os:no",
    "python:no:no",
    "python:..:x",
    "python:json:dumps",
    "run",
    "student",
    "images",
    "file",
    "empty",
]
_PATHS = [
    "empty",
    "file",
    "images",
    "run",
    "none",
    "pipe",
    "loop",
    "weights.pt",
    "weights.safetensors",
    "broken.pt",
    "file/x",
    "new/deep",
]
_DATA = [
    "digits",
    "digit",
    "cifar10",
    "cifar100",
    "fashion-mnist",
    "folder:images",
    "folder:empty",
    "folder:none",
    "folder:",
    "folder:file",
    "folder:loop",
    "imagenet64:images",
    "imagenet32:none",
    "imagenet64:",
    "python:os:getcwd",
    "python:no:no",
    "mnist",
]
_BUDGETS = [
    "50%",
    "90%,80%",
    "0.5x",
    "90M",
    "500k",
    "0.3",
    "100%",
    "0%",
    "1",
    "99999999",
    "50%,",
    ",",
    "1e3",
    "50 %",
    "0.0001%",
    "\u0665%",
]
_NUMBERS = ["1", "2", "0", "-1", "1.5", "16", "1e-3", "0.1", "nan", "inf", "-inf", "9" * 30, "many", ""]
_CHOICES = [
    "kd",
    "np",
    "scratch",
    "inherit",
    "printed",
    "off",
    "cosine",
    "constant",
    "milestones",
    "float32",
    "bf16",
    "onnx",
    "pt2",
    "zip",
]
_WORDS: dict[str, Sequence[str]] = {
    "--teacher": _MODELS,
    "--via": _MODELS,
    "--data": _DATA,
    "--flops": _BUDGETS,
    "--budget": _BUDGETS,
    "--out": _PATHS,
    "--weights": [*_PATHS, "DEFAULT", "IMAGENET1K_V1", "a1_in1k"],
    "--data-root": _PATHS,
    "--html": _PATHS,
    "--tensorboard": _PATHS,
    "--device": ["cpu", "cuda", "cuda:99", "cuda:-1", "gpu", "mps", "meta", "xpu", "cpu:1"],
    "--precision": _CHOICES,
    "--schedule": _CHOICES,
    "--objective": _CHOICES,
    "--init": _CHOICES,
    "--clip": _CHOICES,
    "--to": _CHOICES,
    "--augment": [
        "none",
        "flip",
        "shift:1+flip",
        "shift",
        "shift:-1",
        "rotate:15",
        "rotate:999",
        "shift:99999",
        "flip+flip",
        "turn",
    ],
    "--mean": ["0.5", "0.5,0.5,0.5", "128", "nan", "a,b", ""],
    "--std": ["0.5", "0.5,0.5,0.5", "0", "inf", ""],
    "--method": [
        "hinton",
        "none",
        "kl",
        "cross_layer",
        "rkd",
        "dkd",
        "fsp",
        "at",
        "sskd",
        "list",
        "lists",
        "python:f",
        "python:os:getcwd",
    ],
    "--recipe": ["search", "cross-layer", "cros"],
    "--preset": ["resnet32_8", "vgg11_6", "resnet"],
    "--milestones": ["0.5,0.75", "1", "0.5,2", "nan", ""],
    "--points": ["layer1", "a,b", ","],
    "--loss-setting": ["beta=2", "reduction=sum", "max_distance=x", "beta", "=", "temperature=2", "beta=nan"],
    "--teacher-points": ["layer1", ","],
    "--rows": ["alone", "P1,P2", "P9", ""],
    "--skip": ["layer*", "*", "[", "(("],
    "--image-size": ["8", "3x32x32", "1x8x8", "0x0x0", "3x32", "99999"],
    "--classes": _NUMBERS,
    "--steps": ["1", "2"],
    "--batch": ["8", "16"],
    "--epochs": _NUMBERS,
    "--threads": ["1"],
    "--logits": ["0", "logits", "none"],
}
_NUMERIC = [
    "--rate",
    "--warmup",
    "--weight-decay",
    "--temperature",
    "--kl-target",
    "--penalty",
    "--gate-rate",
    "--weight-rate",
    "--cross",
]
_NUMERIC += [
    "--lambda",
    "--ce-weight",
    "--kl-weight",
    "--knowledge-weight",
    "--seed",
    "--seeds",
    "--teachers",
    "--teacher-epochs",
]
_FLAGS = [
    "--json",
    "--csv",
    "--squared-temperature",
    "--reverse-kl",
    "--no-flops-weights",
    "--as-printed",
    "--gram-sum",
    "--help",
    "-h",
]
_FLAGS += ["--no-squared-temperature", "--version", "--debug", "--none"]
_COMPUTE, _IMAGES = (
    ["--device", "--precision", "--threads", "--seed"],
    ["--data", "--data-root", "--image-size", "--mean", "--std", "--augment"],
)
_TRAINING = ["--recipe", "--steps", "--batch", "--rate", "--schedule", "--milestones", "--warmup", "--weight-decay"]
_COMMANDS: dict[str, list[str]] = {
    "search": [
        "--teacher",
        "--flops",
        "--weights",
        "--out",
        "--skip",
        "--objective",
        "--temperature",
        "--kl-target",
        "--penalty",
        "--gate-rate",
        "--weight-rate",
        "--as-printed",
        "--json",
        "--reverse-kl",
        *_COMPUTE,
        *_IMAGES,
    ],
    "distill": [
        "--preset",
        "--budget",
        "--init",
        "--teacher",
        "--weights",
        "--via",
        "--method",
        "--cross",
        "--loss-setting",
        "--clip",
        "--points",
        "--lambda",
        "--ce-weight",
        "--kl-weight",
        "--knowledge-weight",
        "--temperature",
        "--out",
        *_COMPUTE,
        *_IMAGES,
        *_TRAINING,
    ],
    "study": ["--rows", "--seeds", "--teachers", "--clip", "--out", *_COMPUTE, *_IMAGES, *_TRAINING],
    "teach": ["--out", "--json", *_COMPUTE, *_IMAGES, *_TRAINING],
    "evaluate": ["--weights", "--json", *_COMPUTE, *_IMAGES],
    "count": ["--classes", "--image-size", "--skip", "--json"],
    "export": ["--to", "--out"],
    "report": ["--html", "--csv", "--tensorboard", "--json"],
    "demo": ["--out"],
}
_SHORT = {
    "search": ["--steps", "1", "--batch", "8"],
    "distill": ["--steps", "1"],
    "teach": ["--steps", "1"],
    "study": ["--steps", "1"],
}


def make_place(folder: Path) -> None:
    """Files and folders that lines may name."""
    for name in ("empty", "images/train/ant", "images/train/bee", "images/test/ant", "images/test/bee"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        if "images" in name:
            for number in range(4):
                Image.new("L", (8, 8), color=40 * number).save(folder / name / f"{number}.png")
    (folder / "file").write_text("a file\n")
    (folder / "broken.pt").write_bytes(b"PK\x03\x04 broken")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    state = densenet_digits().state_dict()
    torch.save(state, folder / "weights.pt")
    save_file(state, folder / "weights.safetensors")


def draw_line(chance: random.Random) -> tuple[str, ...]:
    """One command line; every third has nothing odd in it but what the tables hold."""
    oddness = chance.choice((0.0, 0.1, 0.4))
    if chance.random() < 0.03:
        return tuple(chance.choice(["search", "count", "report", *_FLAGS, *_ODD]) for _ in range(chance.randrange(4)))
    command = chance.choice(tuple(_COMMANDS))
    words = [command]
    if command in {"teach", "evaluate", "count", "export", "report", "distill", "study"} and chance.random() < 0.95:
        positional = ["resnet32_8", "vgg", "vgg11_6"] if command == "study" else _MODELS + _PATHS
        words.append(_value(positional, oddness, chance))
    if command == "search" and chance.random() < 0.9:
        words += ["--flops", _value(_BUDGETS, oddness, chance), "--teacher", _value(_MODELS, oddness, chance)]
    every = [*_WORDS, *_NUMERIC, *_FLAGS]
    for _ in range(chance.randrange(6)):
        option = chance.choice(every if chance.random() < oddness else _COMMANDS[command])
        words.append(option)
        if option not in _FLAGS and chance.random() > oddness / 4:
            words.append(_value(_WORDS.get(option, _NUMBERS), oddness, chance))
    if chance.random() < oddness / 2:
        words.insert(chance.randrange(len(words) + 1), chance.choice(["--", *_ODD]))
    return (*words, *_SHORT.get(command, ()))


def _value(usual: Sequence[str], oddness: float, chance: random.Random) -> str:
    return chance.choice(_ODD if chance.random() < oddness else usual)
