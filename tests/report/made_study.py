"""A study's folder written by hand: teachers, rows with seeds, two stages, an older run, and runs that go on still."""

import json
from pathlib import Path

Json = dict[str, object]
COSTS = {
    "resnet32": (69_124_096, 470_292, 1.873),
    "resnet20": (40_813_184, 275_572, 1.21),
    "resnet8": (12_501_632, 80_916, 0.4117),
}
RECIPE: Json = {"epochs": 200, "steps": None, "batch": 128, "rate": 0.01, "milestones": [0.25, 0.5, 0.75]}
FACTS: Json = {"command": ["studentsearch"], "versions": {"torch": "2.15.0"}, "device": "cpu", "seed": 0}
DATA: Json = {
    "name": "cifar100",
    "fingerprint": "ab" * 32,
    "augment": "shift:4+flip",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.2, 0.2, 0.2],
}
FACTS["data"] = DATA


def reached(epoch: float, test: float) -> Json:
    return {"step": round(epoch * 352), "epoch": epoch, "accuracy_held_out": test + 1, "accuracy_test": test}


def write_run(folder: Path, kind: str, configuration: Json, results: Json, *, facts: Json | None = None) -> None:
    folder.mkdir(parents=True)
    manifest = {
        "schema": 1,
        "kind": kind,
        "status": "complete" if results else "running",
        "configuration": {"seed": 0, "precision": "float32", "data": DATA, "recipe": RECIPE, **configuration},
        "facts": facts or {},
        "results": results,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def results(model: str, last: float, best: float, *, is_teach: bool = False) -> Json:
    macs, parameters, milliseconds = COSTS[model]
    return {
        "last": reached(200, last),
        "best": reached(188, best),
        "model" if is_teach else "student": {"macs": macs, "parameters": parameters},
        "milliseconds_per_image": milliseconds,
    }


def distilling(method: str, student: str, teachers: list[str], seed: int, **more: object) -> Json:
    """The configuration of a distillation; a teacher is its name, or its name and what its weights are, by a colon."""
    return {
        "method": method,
        "student": student,
        "teachers": [{"name": name.partition(":")[0], "sha256": name.encode().hex()} for name in teachers],
        "init": "scratch",
        "seed": seed,
        "terms": {"temperature": 4.0, "max_distance": 3, "clipping": "off"},
        **more,
    }


def write_teachers(root: Path) -> None:
    for seed, last in enumerate((71.0, 71.5, 70.8)):
        configuration: Json = {"model": "resnet32", "seed": seed}
        found = results("resnet32", last, last + 0.2, is_teach=True)
        write_run(root / "teachers" / f"resnet32-seed-{seed}", "teach", configuration, found)


def write_rows(root: Path) -> None:
    """Rows of resnet8: none 58, 59, 60 at seeds 0, 1, 2; P1 61, 62 at 0, 1; P1+P2+P3 63 at 0."""
    three = ["resnet32:0", "resnet32:1", "resnet32:2"]
    rows = [
        ("P1", "cross_layer", three[:1], (61.0, 62.0)),
        ("P1+P2+P3", "cross_layer", three, (63.0,)),
        ("alone", "none", [], (58.0, 59.0, 60.0)),
        ("hinton", "hinton", three[:1], (58.5,)),
    ]
    for row, method, teachers, figures in rows:
        for seed, last in enumerate(figures):
            configuration = distilling(method, "resnet8", teachers, seed, row=row)
            found = results("resnet8", last, last + 0.5)
            write_run(root / "rows" / row / f"seed-{seed}", "distill", configuration, found)


def write_stages(root: Path, **more: object) -> None:
    """Two seeds of resnet32 to resnet20 to resnet8 under `root`, as one job writes them."""
    for seed, (first, second) in enumerate(((69.0, 62.0), (69.5, 63.0))):
        folder = root / f"seed-{seed}"
        configuration = distilling("kl", "resnet8", ["resnet32:0"], seed, via="resnet20", row="stages", **more)
        write_run(folder, "distill", configuration, results("resnet8", second, second))
        configuration = distilling("kl", "resnet20", ["resnet32:0"], seed, **more)
        write_run(folder / "via", "distill", configuration, results("resnet20", first, first))


def write_older(folder: Path) -> None:
    """A distillation of before there were methods, of a found student, as its job wrote it."""
    configuration: Json = {"student_sha256": "cd" * 32, "teacher_sha256": "ef" * 32, "init": "inherit"}
    configuration |= {"temperature": 4.0, "hard_weight": 0.1, "squared_temperature": True}
    found: Json = {"last": reached(1.28, 71.84), "best": reached(1.28, 71.84), "teacher": {"accuracy_test": 75.03}}
    found |= {"before": {"accuracy_test": 61.62}, "student": {"macs": 89_405_336, "parameters": 532_913}}
    write_run(folder, "distill", configuration, found, facts=FACTS | {"student": "runs/mine/students/90M"})


def write_running(root: Path) -> None:
    """One run in its 13th epoch, one of 900 steps that did not begin."""
    folder = root / "rows" / "P1" / "seed-2"
    write_run(folder, "distill", distilling("cross_layer", "resnet8", ["resnet32:0"], 2, row="P1"), {})
    header = "step,epoch,loss,rate,accuracy_held_out,seconds,images_per_second"
    rows = "4399,12.497,1.5,0.1,,9,900\n4400,12.5,1.5,0.1,,9,900\n4401,12"
    (folder / "metrics.csv").write_text(f"{header}\n{rows}")
    short = RECIPE | {"steps": 900}
    write_run(root / "teachers" / "vgg11", "teach", {"model": "vgg11", "seed": 0, "recipe": short}, {})


def write_study(root: Path) -> None:
    write_teachers(root)
    write_rows(root)
    write_stages(root / "rows" / "stages")
    write_older(root / "distill-90M-inherit")
    write_running(root)
    write_run(root / "search", "search", {}, {"students": []})
