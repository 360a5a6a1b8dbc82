"""Run folders written by hand, so that every figure of a report can be checked."""

import json
from pathlib import Path

import made_nets
import msgspec
from made_student import write_facts

from studentsearch.records.blocks import BlockShare
from studentsearch.records.counts import Counts

Json = dict[str, object]
FACTS: Json = {
    "command": ["studentsearch", "search", "--teacher", "densenet", "--flops", "200M,150M,90M", "--data", "cifar100"],
    "versions": {"studentsearch": "0.1.0", "python": "3.11.4", "torch": "2.15.0"},
    "device": "cpu, 2 threads, bf16",
    "seed": 0,
    "data": {"name": "cifar100", "fingerprint": "0123456789abcdef" * 4},
    "teacher": {"name": "densenet", "sha256": "fedcba9876543210" * 4},
}


def reader(path: str, sources: list[tuple[str, int, int]], outputs: int, area: int) -> Json:
    inputs, kept = sum(source[1] for source in sources), sum(source[2] for source in sources)
    return {
        "path": path,
        "inputs": inputs,
        "kept_inputs": list(range(kept)),
        "outputs": outputs,
        "kept_outputs": list(range(outputs)),
        "macs_before": inputs * outputs * area,
        "macs_after": kept * outputs * area,
        "sources": [{"path": name, "channels": channels, "kept": held} for name, channels, held in sources],
    }


def dense_block(
    number: int, layers: int, *, first: tuple[str, int], reach: int
) -> tuple[Json, list[tuple[str, int, int]]]:
    """A dense block whose layers lose what lies `reach` layers back, and the sources that its end offers."""
    name = f"denseblock{number}"
    producers = [first, *((f"features.{name}.denselayer{layer}.conv2", 12) for layer in range(1, layers + 1))]
    area = 4 ** (4 - number)

    def kept(row: int) -> list[tuple[str, int, int]]:
        return [
            (path, channels, channels * max(reach - (row - column), 0) // reach)
            for column, (path, channels) in enumerate(producers[: row + 1])
        ]

    readers: list[Json] = []
    for layer in range(1, layers + 1):
        prefix = f"features.{name}.denselayer{layer}"
        readers += [
            reader(f"{prefix}.conv1", kept(layer - 1), 48, area),
            reader(f"{prefix}.conv2", [(f"{prefix}.conv1", 48, 36)], 12, 9 * area),
        ]
    return {"name": name, "readers": readers}, kept(layers)


def write_student(folder: Path, *, layers: int = 16) -> None:
    first, ends_first = dense_block(1, layers, first=("features.conv0", 24), reach=6)
    second, ends_second = dense_block(2, layers, first=("features.transition1.conv", 108), reach=40)
    blocks = [
        {"name": "conv0", "readers": [reader("features.conv0", [("x", 3, 3)], 24, 9 * 1024)]},
        first,
        {"name": "transition1", "readers": [reader("features.transition1.conv", ends_first, 108, 64)]},
        second,
        {"name": "classifier", "readers": [reader("classifier", ends_second, 100, 1)]},
    ]
    teacher = Counts(macs=287_929_692, paper=296_500_000, thop=305_096_000, flops=575_859_384, parameters=769_162)
    student = Counts(macs=89_912_345, paper=93_100_000, thop=96_000_000, flops=179_824_690, parameters=401_234)
    shares = msgspec.convert(blocks, list[BlockShare])
    write_facts(folder, counts=student, teacher_counts=teacher, blocks=shares)


def write_cut(folder: Path, net: str) -> None:
    """A student folder of one of the networks of `made_nets`."""
    blocks = made_nets.NETS[net]
    before = sum(layer.macs_before for block in blocks for layer in block.readers)
    after = sum(layer.macs_after for block in blocks for layer in block.readers)
    teacher, student = (
        Counts(macs=macs, paper=macs, thop=macs, flops=2 * macs, parameters=macs // 64) for macs in (before, after)
    )
    write_facts(folder, counts=student, teacher_counts=teacher, blocks=blocks)


def write_manifest(folder: Path, kind: str, results: Json, *, status: str = "complete") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "schema": 1,
        "kind": kind,
        "status": status,
        "configuration": {"seed": 0},
        "facts": FACTS,
        "results": results,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def write_search(folder: Path) -> None:
    budgets = [
        ("200M", 199_800_000, 300, 70.4, 69.0),
        ("150M", 149_900_000, 540, 66.1, 64.8),
        ("90M", 89_912_345, 868, 52.0, 51.4),
    ]
    students: list[Json] = [
        {
            "label": label,
            "folder": f"students/{label}",
            "budget_macs": int(label[:-1]) * 10**6,
            "macs": macs,
            "step": step,
            "seconds": step * 1.6,
            "accuracy_held_out": held_out,
            "accuracy_test": test,
        }
        for label, macs, step, held_out, test in budgets
    ]
    teacher = {"macs": 287_929_692, "parameters": 769_162, "accuracy_test": 76.6}
    write_manifest(folder, "search", {"students": students, "teacher": teacher})
    for student in students:
        write_student(folder / str(student["folder"]))
    header = "step,loss,kl,macs,target_macs,penalty,open_share,gate_mean,rate,images_per_second,seconds"
    rows = [
        f"{step},{1 + step / 900},{step / 1500},{288_000_000 - 228_000 * step},0,0.001,0.9,0.8,0.1,40,{step}"
        for step in range(4, 869, 4)
    ]
    (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")


def write_training(folder: Path, kind: str) -> None:
    last = {"epoch": 30, "step": 21000, "accuracy_test": 74.2, "accuracy_held_out": 75.1}
    best = {"epoch": 28, "step": 19600, "accuracy_test": 74.4, "accuracy_held_out": 75.3}
    results: Json = {"last": last, "best": best}
    if kind == "distill":
        results |= {"student": {"macs": 89_912_345, "parameters": 401_234}}
        results |= {"teacher": {"accuracy_test": 76.6}, "before": {"accuracy_test": 51.4}}
        write_student(folder / "student", layers=4)
    write_manifest(folder, kind, results)
    header = "step,epoch,loss,cross_entropy,kl,rate,accuracy_held_out,seconds,images_per_second"
    rows = [
        f"{step},{step // 10},{4 - step / 100},1,1,0.1,{50 + step / 12 if step % 10 == 0 else ''},{step},900"
        for step in range(1, 301)
    ]
    (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
