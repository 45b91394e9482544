"""docs/json.md lists exactly the keys that each command prints with --json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from carry_files import make
from convention_files import CITYSCAPES
from exported_models import checkpoint_of, images_for
from reader_samples import reader_sample
from segdata.cli import COMMANDS, main
from segdata.dataset.dataset import Dataset
from segdata.files.reading import Reading
from segdata.terminal.text import SCHEMA
from signal_files import save, signals
from signal_rows import World

ROOT = Path(__file__).resolve().parents[2]

Key = tuple[str, ...]


def documented(command: str) -> set[Key]:
    """The keys in the table of a command; the last part may be `*`, which is anything."""
    text = (ROOT / "docs/json.md").read_text()
    section = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, f"docs/json.md has no section {command}"
    rows = re.findall(r"^\| (`.*?) \|", section[1], re.MULTILINE)
    return {tuple(key.split(".")) for row in rows for key in re.findall(r"`(.*?)`", row)}


def printed(value: Any, path: Key = ()) -> Iterator[tuple[Key, bool]]:
    """The keys that lead to each value, and whether there is nothing in it; lists are no keys."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from printed(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from printed(inner, path)
    else:
        yield path, value in ([], {}, None)


def is_it(key: Key, told: Key) -> bool:
    if told[-1] == "*":
        return len(key) >= len(told) and is_it(key[: len(told) - 1], told[:-1]) if len(told) > 1 else True
    return len(key) == len(told) and all(a == b or b[0] == "{" for a, b in zip(key, told, strict=True))


def compare(command: str, *outputs: Any) -> None:
    told = documented(command)
    for output in outputs:
        assert all(one["schema"] == SCHEMA for one in (output if isinstance(output, list) else [output]))
    keys = {key for output in outputs for key in printed(output)}
    unknown = [".".join(k) for k, empty in keys if not any(is_it(k, t) or (empty and k == t[: len(k)]) for t in told)]
    assert not unknown, f"not in docs/json.md, section {command}: {sorted(unknown)}"
    gone = [".".join(t) for t in told if not any(is_it(k, t) for k, _ in keys)]
    assert not gone, f"in docs/json.md, section {command}, but not printed: {sorted(gone)}"


def run(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(main, [*(str(one) for one in arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """A prediction and truth with images, groups, and a class called background."""
    rng = np.random.default_rng(0)
    masks = {f"{s}/{i}": rng.choice([0, 1, 255], (9, 12)) for s in ("train", "val") for i in range(3)}
    names = ["background", "car", "sign"]
    truth = make(tmp_path / "t", masks, names=names, images="reference")
    return make(tmp_path / "p", {id: np.where(m == 255, 0, m)[::-1] for id, m in masks.items()}, names=names), truth


def test_every_command_with_json_is_documented() -> None:
    runner = CliRunner()
    having = {
        name
        for name in (*COMMANDS, "export onnx", "export torch", "train auto")
        if re.search(r"^ +--json ", runner.invoke(main, [*name.split(), "--help"]).output, re.MULTILINE)
    }
    text = (ROOT / "docs/json.md").read_text()
    assert set(re.findall(r"^## ([\w ]+)$", text, re.MULTILINE)) == having


def test_evaluate(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    scored = tmp_path / "scores"
    for sample in truth:
        (scored / sample.id).parent.mkdir(parents=True, exist_ok=True)
        np.save(scored / f"{sample.id}.npy", np.full((3, *sample.size), 1 / 3, np.float32))
    given = ["convert", "predictions", scored, tmp_path / "s", "--like", truth.root, "--images", "none"]
    assert CliRunner().invoke(main, [str(one) for one in given]).exit_code == 0
    city = make(tmp_path / "c", {"a": np.arange(19).reshape(1, 19)}, names=CITYSCAPES)
    renamed = make(
        tmp_path / "r", {"x/0": truth.read_mask(truth.samples[0])}, names=list(truth.labels.names), images="copy"
    )
    Path(renamed.image_path(renamed.samples[0])).write_bytes(Path(truth.image_path(truth.samples[0])).read_bytes())
    aoi = tmp_path / "aoi.geojson"
    aoi.write_text('{"type":"Polygon","coordinates":[[[0,0],[9,0],[9,9],[0,0]]]}')
    compare(
        "evaluate",
        run("evaluate", pred.root, truth.root, "--aoi", aoi),
        run("evaluate", pred.root, truth.root, "--boundary-f", "--slice", "split", "--compare", tmp_path / "s"),
        run("evaluate", pred.root, truth.root, "--surface"),
        run("evaluate", tmp_path / "s", truth.root, "--compare", truth.root),
        run("evaluate", pred.root, truth.root, "--cldice", "--objects"),
        run("evaluate", city.root, city.root),
        run("evaluate", renamed.root, truth.root, "--draws", 0),
    )


def test_diff(tmp_path: Path) -> None:
    """All that can differ: classes, samples, pixels."""
    mask = np.array([[0, 0, 1, 1, 2, 255]] * 2)
    one = {"split": "train", "group": "g"}
    old = {"a": mask, "b": mask[:, ::-1], "c": mask, "d": mask[:1]}
    new = {"a": mask, "x": mask[:, ::-1], "c": np.where(mask == 0, 2, mask), "d": mask, "e": mask}
    before = make(tmp_path / "a", old, names=["road", "car", "sign"], fields={"a": one})
    many = ["sign", "vehicle", "road", *map(str, range(300))]
    after = make(
        tmp_path / "b", {id: np.choose(np.minimum(m, 3), [2, 1, 0, 65535]) for id, m in new.items()}, names=many
    )
    few = make(tmp_path / "c", new, names=["road", "vehicle", "sign"])
    compare("diff", *(run("diff", before.root, other.root) for other in (after, few, before)))


def test_agree(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    one, other = sides
    few = make(tmp_path / "few", {"train/0": one.read_mask(one.samples[0])}, names=list(one.labels.names))
    renamed = make(
        tmp_path / "r", {"x/0": other.read_mask(other.samples[0])}, names=list(one.labels.names), images="copy"
    )
    Path(renamed.image_path(renamed.samples[0])).write_bytes(Path(other.image_path(other.samples[0])).read_bytes())
    compare(
        "agree",
        run("agree", one.root, other.root, few.root, "--boundary-f"),
        run("agree", other.root, renamed.root),
    )


def test_stats(sides: tuple[Dataset, Dataset]) -> None:
    _, truth = sides
    whole = run("stats", truth.root, "--objects", "--images", "--recount")
    mask = truth.inside(truth.samples[0].mask)
    mask.write_bytes(truth.inside(truth.samples[1].mask).read_bytes())
    compare("stats", whole, run("stats", truth.root, "--recount", code=1))


def test_check_and_info(sides: tuple[Dataset, Dataset]) -> None:
    pred, truth = sides
    compare("check", run("check", truth.root), run("check", pred.root))
    replace(pred, reading=Reading((3, "B2"), alpha=False, vrt=True)).save()
    slides = replace(pred, root=truth.root.parent / "slides", reading=Reading(vrt=True), images="reference")
    slides = replace(slides, samples=[msgspec.structs.replace(s, image="missing.svs") for s in pred])
    slides.root.mkdir()
    slides.save()
    compare("info", run("info", pred.root), run("info", truth.root), run("info", slides.root))


def test_monitor(tmp_path: Path) -> None:
    world = World()
    world.profile(20, 0, judged=True).save(tmp_path / "old.jsonl")
    world.but(lacks=1).profile(20, 1).save(tmp_path / "new.jsonl")
    bare = [msgspec.structs.replace(row, embedding=None) for row in world.rows(9, 2)]
    replace(world.profile(9, 2), rows=tuple(bare)).save(tmp_path / "bare.jsonl")
    compare("monitor", *(run("monitor", tmp_path / "old.jsonl", tmp_path / f"{new}.jsonl") for new in ("new", "bare")))


def test_detect_and_suspects(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    _, truth = sides
    compare("detect", run("detect", reader_sample("coco", tmp_path)[0]), run("detect", tmp_path, code=1))
    for sample in [s for s in truth if s.split == "val"]:
        sure = np.where(np.arange(3)[:, None, None] == (truth.read_mask(sample) == 0), 0.98, 0.01).astype(np.float32)
        (tmp_path / "scores" / sample.id).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "scores" / f"{sample.id}.npy", sure)
    given = ["convert", "predictions", tmp_path / "scores", tmp_path / "s", "--like", truth.root, "--images", "none"]
    assert CliRunner().invoke(main, [str(one) for one in given]).exit_code == 0
    compare("suspects", run("suspects", tmp_path / "s", truth.root, "--min-area", 1))


def test_pick(tmp_path: Path) -> None:
    rows = [signals(name, [n, 1, 1], 0.1 * n, [1, n], "drive") for n, name in enumerate("abc", 1)]
    save(tmp_path / "s.jsonl", rows)
    compare("pick", run("pick", tmp_path / "s.jsonl", tmp_path / "l.csv", "--n", 2))


@pytest.mark.torch
def test_calibrate(tmp_path: Path) -> None:
    from segdata.nn import checkpoint, models
    from segdata.nn.options import Training
    from segdata.recipes.recipe import Recipe
    from train_files import scenes

    dataset = scenes(tmp_path / "d")
    options = Training.of({"model_options": {"width": 2}})
    state = models.build("unet", bands=3, classes=3, width=2).state_dict()
    recipe = Recipe.read("none").to_dict()
    made = checkpoint.of(options, state, labels=dataset.labels, bands=3, recipe=recipe, dataset=dataset.digest)
    checkpoint.write(tmp_path / "model.pt", made)
    compare("calibrate", run("calibrate", tmp_path / "model.pt", dataset.root, tmp_path / "out.pt"))


@pytest.mark.torch
def test_bundle(tmp_path: Path) -> None:
    models = [checkpoint_of(tmp_path / f"{name}.pt", width=4, depth=2) for name in "ab"]
    (tmp_path / "s.json").write_text(json.dumps({"crf": {}}))
    given = ["bundle", *models, tmp_path / "out.pt", "--refinement", tmp_path / "s.json"]
    compare("bundle", run(*given), run("bundle", models[0], tmp_path / "one.pt"))


@pytest.mark.torch
def test_train_auto(tmp_path: Path) -> None:
    from train_files import scenes

    scenes(tmp_path / "d")
    plan = tmp_path / "plan.yaml"
    plan.write_text("model: unet\nmodel_options: {width: 2}\nepochs: 1\nsteps: 1\nimages: 0\ntensorboard: false\n")
    compare("train auto", run("train", "auto", tmp_path / "d", tmp_path / "r", "--plan", plan))


@pytest.mark.torch
def test_models_and_compare(tmp_path: Path) -> None:
    compare("models", run("models", "unet", "--size", "32"))
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "metrics.csv").write_text("epoch,train_loss,val_loss,pixel_accuracy,mean_iou,seconds\n1,1,2,0.5,0.4,10\n")
    about = {"segdata": "1", "model": "unet", "parameters": 1234, "labels": "a", "dataset": "b", "device": "cpu", "processes": 1,
             "epochs": 1, "best_by": "mean_iou", "best": {"epoch": 1, "mean_iou": 0.4}}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "config.yaml").write_text("lr: 0.1\nseed: 0\n")
    compare("compare", run("compare", folder))


@pytest.mark.torch
def test_export_of_models(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    from segdata.nn.bundle import write_bundle

    model = write_bundle(
        tmp_path / "b.pt", [checkpoint_of(tmp_path / "a.pt", width=4, depth=2)], refinement={"crf": {}}
    )
    data = images_for(tmp_path / "d", count=8)
    for kind, ending in (("onnx", "onnx"), ("torch", "pt2")):
        given = ["export", kind, model, tmp_path / f"a.{ending}", "--verify", data.root]
        size = ["--size", "32x32"]
        compare(f"export {kind}", run(*given), run(*given, *size, "--overwrite"))
