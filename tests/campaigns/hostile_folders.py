"""Student folders as an enemy would write them: each a small change of a good one, sealed again where that helps it."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studentsearch.graph.trace import trace
from studentsearch.records.names import CONFIG_NAME, WEIGHTS_NAME
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts, config_metadata
from studentsearch.runs.state_hash import state_sha256
from studentsearch.student.check import check_cut
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import write_student
from studentsearch.student.plain import plain_network, whole_network

Config = dict[str, Any]
ORIGIN = Origin(
    teacher="densenet_digits",
    teacher_sha256="a" * 64,
    data="digits",
    data_sha256="b" * 64,
    classes=tuple("0123456789"),
    mean=(0.5,),
    std=(0.25,),
)


class Net(nn.Module):
    """A little of everything that a config.json can hold: layers, a call, a parameter, a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x))) * self.scale
        x = torch.cumsum(x + self.inner(x), 2)
        return self.head(x.mean((2, 3)))


def write_good(folder: Path, net: nn.Module | None = None) -> None:
    """A student folder that is as it should be, of a network that keeps all channels."""
    torch.manual_seed(0)
    plain = plain_network((net or Net()).eval(), (1, 8, 8), skip=("*",))
    whole = whole_network(plain.network, plain.module.state_dict())
    counts = count_everything(plain.module, plain.network)
    images = torch.randn(2, 1, 8, 8)
    check = check_cut(plain.module, whole.tensors, whole, macs=counts.macs, images=images)
    record = StudentFacts(origin=ORIGIN, counts=counts, teacher_counts=counts, check=check, blocks=())
    write_student(folder, whole, record)
    assert trace(plain.module, (1, 8, 8), skip=("*",)).num_outputs == 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One hostile folder.

    Attributes:
        name: What is hostile about it.
        write: Makes it of a good one.
        is_loaded: Whether it may be loaded: what is hostile about it is text that is only shown, or a name that only
            other commands use.
    """

    name: str
    write: Callable[[Path], None]
    is_loaded: bool = False


def edited(name: str, edit: Callable[[Config], None], *, is_loaded: bool = False) -> Hostile:
    """A change of config.json, with hashes that fit it."""

    def write(folder: Path) -> None:
        config = json.loads((folder / CONFIG_NAME).read_text())
        edit(config)
        seal(folder, json.dumps(config).encode())

    return Hostile(name=name, write=write, is_loaded=is_loaded)


def texted(name: str, old: str, new: str) -> Hostile:
    """A change of the text of config.json, with hashes that fit it."""

    def write(folder: Path) -> None:
        text = json.dumps(json.loads((folder / CONFIG_NAME).read_text()))
        assert old in text, name
        seal(folder, text.replace(old, new, 1).encode())

    return Hostile(name=name, write=write)


def seal(folder: Path, content: bytes, tensors: dict[str, Tensor] | None = None) -> None:
    """Write config.json and weights whose header vouches for it."""
    weights = folder / WEIGHTS_NAME
    tensors = load_file(weights) if tensors is None else tensors
    (folder / CONFIG_NAME).write_bytes(content)
    save_file(tensors, weights, metadata=dict(config_metadata(content)))


def step_of(config: Config, kind: str) -> Config:
    return next(step for step in config["architecture"]["steps"] if step["kind"] == kind)


def renamed(name: str) -> Hostile:
    """A step of another name, whose readers read it."""

    def edit(config: Config) -> None:
        old = step_of(config, "Call")["name"]
        for step in config["architecture"]["steps"]:
            step["name"] = name if step["name"] == old else step["name"]
            step["inputs"] = [name if read == old else read for read in step["inputs"]]

    return edited(f"a step named {name!a:.50}", edit)


def moved(path: str) -> Hostile:
    """A layer at another path, with its tensors."""

    def write(folder: Path) -> None:
        config = json.loads((folder / CONFIG_NAME).read_text())
        step = step_of(config, "Linear")
        tensors = {
            (f"{path}.{name.partition('.')[2]}" if name.startswith("head.") else name): tensor
            for name, tensor in load_file(folder / WEIGHTS_NAME).items()
        }
        step["path"] = path
        config["tensors_sha256"] = state_sha256(tensors)
        seal(folder, json.dumps(config).encode(), tensors)

    return Hostile(name=f"a layer at {path!a:.50}", write=write)


def called(function: object, arguments: object = None, options: object = None) -> Hostile:
    """A call of another function."""

    def edit(config: Config) -> None:
        given = step_of(config, "Call")["arguments"]
        given["function"] = function
        given["arguments"] = given["arguments"] if arguments is None else arguments
        given["options"] = given["options"] if options is None else options

    return edited(f"a call of {function!s:.40} {arguments!s:.40} {options!s:.30}", edit)


def layered(kind: str, **arguments: object) -> Hostile:
    """A layer of another kind."""

    def edit(config: Config) -> None:
        step = step_of(config, "ReLU")
        step["kind"], step["arguments"] = kind, arguments

    return edited(f"a layer {kind} {arguments!s:.60}", edit)


def argued(kind: str, **arguments: object) -> Hostile:
    """A layer with other arguments."""
    name = f"{kind} with {arguments!s:.60}"
    return edited(name, lambda config: step_of(config, kind)["arguments"].update(arguments))


def of_origin(*, is_loaded: bool = True, **changes: object) -> Hostile:
    """Another origin."""
    return edited(f"origin {changes!s:.60}", lambda c: c["origin"].update(changes), is_loaded=is_loaded)


def shaped(*shapes: object) -> Hostile:
    return edited(f"images {shapes!s:.60}", lambda c: c["architecture"].update(input_shapes=list(shapes)))


def raw(name: str, write: Callable[[Path], None]) -> Hostile:
    return Hostile(name=name, write=write)


def replaced(file: str, content: bytes) -> Hostile:
    return raw(f"{file} is {content[:12]!r} of {len(content):,} bytes", lambda f: _none(_write(f / file, content)))


def special(file: str, kind: str, make: Callable[[Path], object]) -> Hostile:
    def write(folder: Path) -> None:
        (folder / file).unlink()
        make(folder / file)

    return raw(f"{file} is {kind}", write)


def _write(path: Path, content: bytes) -> int:
    return path.write_bytes(content)


def _none(_: object) -> None:
    return None


def _steps(change: Callable[[list[Config]], object]) -> Callable[[Config], None]:
    return lambda config: _none(change(config["architecture"]["steps"]))


def _weights(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        config = json.loads((folder / CONFIG_NAME).read_text())
        tensors = load_file(folder / WEIGHTS_NAME)
        change(tensors)
        config["tensors_sha256"] = state_sha256(tensors)
        seal(folder, json.dumps(config).encode(), tensors)

    return write


def _header(change: Callable[[Config], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        content = (folder / WEIGHTS_NAME).read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        (folder / WEIGHTS_NAME).write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])

    return write


def _nested(depth: int) -> list[object]:
    nested: list[object] = []
    for _ in range(depth):
        nested = [nested]
    return nested


IMAGE = ["$input", 0]
PICKLE = "evil.pt"
RUN = "__import__('pathlib').Path('CANARY').touch()"
HOSTILE: tuple[Hostile, ...] = (
    *map(renamed, (f"x={RUN}", f"x: {RUN} = 0", "self", "torch", "F", "nn", "lambda", "None", "__class__", "a b")),
    *map(renamed, ("\uff58", "x\nimport os", "", "Student", "Tensor", "1x", "x" * 4000, "inf")),
    *map(moved, (f'a"] or {RUN} or self._modules["b', f"a'] or {RUN} #", "forward", "load_state_dict", "__class__")),
    *map(moved, ("_modules", "training", "a..b", "", "graph", "class", "a\nb", "\u202ea", "x.__init__", "stem.weight")),
    called("torch.load", [PICKLE], [["weights_only", False]]),
    called("torch.load", [PICKLE]),
    called("torch.hub.load", [".", "evil"], [["source", "local"]]),
    called("torch.save", [IMAGE, "CANARY"]),
    called("torch.jit.load", [PICKLE]),
    called("torch.classes.load_library", [PICKLE]),
    called("torch.ops.load_library", [PICKLE]),
    called("torch.compile"),
    called("torch._C._jit_set_profiling_mode"),
    called("torch.nn.functional.handle_torch_function"),
    called("torch.nn.functional.importlib.import_module", ["evil"]),
    called("torch.utils.model_zoo.load_url"),
    *map(called, ("Tensor.share_memory_", "Tensor.apply_", "Tensor.register_hook", "Tensor.__reduce_ex__")),
    *map(called, ("Tensor.__class__", "Tensor.tofile", "builtins.eval", "operator.attrgetter", "eval", "", "torch.")),
    *map(called, ("torch.from_file", "torch.set_default_device", "torch.nn.Module", "torch.relu;x", 3, None, ["a"])),
    called("operator.getitem", ["abc", 0]),
    called("Tensor.expand", [5, 2]),
    called("Tensor.expand", [IMAGE, 10**9, -1, -1, -1]),
    called("Tensor.repeat", [IMAGE, 10**5, 10**5, 1, 1]),
    called("torch.zeros", [[10**6, 10**6]]),
    called("torch.nn.functional.interpolate", [IMAGE, [10**7, 10**7]]),
    called("torch.nn.functional.pad", [IMAGE, [10**9, 10**9]]),
    called("torch.mvlgamma", [IMAGE, 2**26]),
    called("torch.special.multigammaln", [IMAGE, 2**26]),
    called("torch.relu", [["$input", 99]]),
    called("torch.relu", [["$input", True]]),
    called("torch.relu", [["$input", -1]]),
    called("torch.relu", [["$eval", RUN]]),
    called("torch.sum", [IMAGE], [["dtype", ["$dtype", "load"]]]),
    called("torch.sum", [IMAGE], [[f"dim=1) or {RUN} or dict(a", 1]]),
    called("torch.relu", [IMAGE], [["out", IMAGE]]),
    called("torch.relu", [IMAGE], [["dim"]]),
    called("torch.sum", [IMAGE], [["dim", 1], ["dim", 1]]),
    called("torch.relu", [IMAGE, ["$dict", 3]]),
    called("torch.einsum", ["\x1b]0;owned\x07", IMAGE]),
    called("torch.relu", [_nested(40)]),
    called("torch.relu", [_nested(900)]),
    called("torch.relu", [10**40]),
    *map(layered, ("Module", "Sequential", "ModuleDict", "LSTM", "Identity_", "Container", "modules", "__doc__", RUN)),
    layered("ReLU", device="cuda"),
    layered("ReLU", **{f"x={RUN}": 1}),
    layered("Upsample", size=[10**6, 10**6]),
    layered("Upsample", scale_factor=1e9),
    layered("ZeroPad2d", padding=10**9),
    layered("Select", channels=[0, 1, 99], axis=1),
    layered("Select", channels=[], axis=1),
    layered("Select", channels=[-7, 1], axis=1),
    layered("Linear", in_features=10**9, out_features=10**9, bias=True),
    layered("PReLU", num_parameters=10**12, init=0.25),
    layered("MaxPool2d", kernel_size=0),
    layered("MaxPool2d", kernel_size="x" * 100),
    layered("Softmax", dim=17),
    argued("Conv2d", in_channels=10**6, out_channels=10**6, kernel_size=[99, 99]),
    argued("Conv2d", out_channels=-1),
    argued("Conv2d", groups=0),
    argued("Conv2d", padding_mode=f"{RUN}"),
    argued("Conv2d", stride=[10**18, 1]),
    argued("Conv2d", stride=[40_000, 40_000], padding=[40_000, 40_000], padding_mode="replicate"),
    argued("Parameter", shape=[10**9, 10**9]),
    argued("Parameter", shape=["a"]),
    argued("Parameter", is_trainable=RUN),
    argued("Output", structure=["$input", 7]),
    argued("Conv2d", bias=["$named", "__import__", ["name", "evil"]]),
    argued("Conv2d", bias=["$named", "open", ["file", "CANARY"], ["mode", "w"]]),
    called(
        "torch.nn.functional.interpolate",
        [IMAGE, [8, 8]],
        [["mode", "bilinear"], ["antialias", ["$named", "open", ["file", "CANARY"], ["mode", "w"]]]],
    ),
    argued("Output", structure=["$named", "super", ["logits", IMAGE]]),
    argued("Output", structure=["$named", "\ufb00", ["logits", IMAGE]]),
    argued("Output", structure=["$named", "mean", ["logits", IMAGE]]),
    shaped([10**6, 2**20, 2**20]),
    shaped([1, 0, 8]),
    shaped([1, -8, 8]),
    shaped(),
    shaped([1, 8, 8], [1, 8, 8]),
    shaped([1, "8", 8]),
    edited("no steps", lambda c: c["architecture"].update(steps=[])),
    edited("no output", _steps(lambda steps: steps.pop())),
    edited("two outputs", _steps(lambda steps: steps.append(copy.deepcopy(steps[-1])))),
    edited("steps backwards", _steps(lambda steps: steps.reverse())),
    edited("a step twice", _steps(lambda steps: steps.insert(3, copy.deepcopy(steps[2])))),
    edited("100,001 steps", _steps(lambda steps: steps.extend([steps[2]] * 100_000))),
    edited("a step that reads itself", _steps(lambda steps: steps[2].update(inputs=[steps[2]["name"]]))),
    of_origin(data="python:evil:make"),
    of_origin(teacher="python:evil:make"),
    of_origin(architecture="python:evil:make"),
    of_origin(data="folder:/dev"),
    of_origin(data="folder:../../../../../etc"),
    of_origin(teacher='\x1b[2J"""\nimport evil\n[red]{title}\\'),
    of_origin(data="[/red]<script>alert(1)</script>\u202e"),
    of_origin(classes=["\x1b[31m", "[bold]", "</td>", *"3456789"]),
    of_origin(is_loaded=False, teacher="x" * 10**6),
    of_origin(is_loaded=False, teacher_sha256="../../evil"),
    of_origin(is_loaded=False, std=[0.0]),
    of_origin(is_loaded=False, mean=[]),
    of_origin(is_loaded=False, mean=[0.1, 0.2, 0.3]),
    of_origin(is_loaded=False, classes=5),
    edited("a negative count", lambda c: c["counts"].update(macs=-1)),
    edited("a count of 10^30", lambda c: c["counts"].update(macs=10**30)),
    edited("a difference below 0", lambda c: c["check"].update(difference=-1.0)),
    edited("101 percent", lambda c: c.update(training={"accuracy_test": 101.0})),
    edited("blocks of text", lambda c: c.update(blocks="all")),
    edited("schema as text", lambda c: c.update(schema="3")),
    edited("schema 2", lambda c: c.update(schema=2)),
    edited("schema of 40 digits", lambda c: c.update(schema=10**40)),
    texted("NaN", '"std": [0.25]', '"std": [NaN]'),
    texted("infinity", '"std": [0.25]', '"std": [1e999]'),
    texted("half a surrogate pair", '"digits"', r'"\ud800"'),
    replaced(CONFIG_NAME, b""),
    replaced(CONFIG_NAME, b"[" * 10**6),
    replaced(CONFIG_NAME, b'{"schema":' * 10**5),
    replaced(CONFIG_NAME, "{}".encode("utf-16")),
    replaced(CONFIG_NAME, b"\xff" * 1000),
    replaced(CONFIG_NAME, b" " * (65 * 2**20)),
    replaced(WEIGHTS_NAME, b""),
    replaced(WEIGHTS_NAME, b"\xff" * 8),
    replaced(WEIGHTS_NAME, (2**60).to_bytes(8, "little")),
    replaced(WEIGHTS_NAME, (10).to_bytes(8, "little") + b"[" * 10),
    special(CONFIG_NAME, "a pipe", os.mkfifo),
    special(CONFIG_NAME, "a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
    special(CONFIG_NAME, "a link to itself", lambda path: path.symlink_to(path)),
    special(CONFIG_NAME, "a folder", Path.mkdir),
    special(WEIGHTS_NAME, "a pipe", os.mkfifo),
    special(WEIGHTS_NAME, "a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
    special(WEIGHTS_NAME, "a folder", Path.mkdir),
    special(WEIGHTS_NAME, "a pickle", lambda path: shutil.copy(path.parent.parent / PICKLE, path)),
    raw("a header of another config", lambda f: _none(_write(f / CONFIG_NAME, (f / CONFIG_NAME).read_bytes() + b" "))),
    raw("no hash in the header", _header(lambda header: header.pop("__metadata__"))),
    raw("metadata that are numbers", _header(lambda header: header.update(__metadata__={"config_sha256": 3}))),
    raw("a dtype that is none", _header(lambda header: header["head.bias"].update(dtype="OBJECT"))),
    raw("a shape of 10^12", _header(lambda header: header["head.bias"].update(shape=[10**12]))),
    raw("offsets beyond the end", _header(lambda header: header["head.bias"].update(data_offsets=[0, 10**12]))),
    raw("another tensor more", _weights(lambda tensors: tensors.update(evil=torch.zeros(3)))),
    raw("a tensor less", _weights(lambda tensors: tensors.pop("head.bias"))),
    raw("a tensor of another shape", _weights(lambda tensors: tensors.update({"head.bias": torch.zeros(11)}))),
    raw("a tensor of NaN", _weights(lambda tensors: tensors["head.bias"].fill_(float("nan")))),
    raw("a tensor of integers", _weights(lambda tensors: tensors.update({"head.bias": torch.zeros(10).long()}))),
)
