"""Manifests in parts: the same samples as the whole manifest gives, however they are asked for, in memory that stays flat."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from carry_files import contents, make, random_masks
from memory import peak_memory
from segdata.cli import main
from segdata.dataset import dataset as dataset_module
from segdata.dataset.dataset import Dataset
from segdata.dataset.manifest import MARK, Parts
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError
from segdata.labels import Labels
from segdata.ops.manifest.operation import manifest

LABELS = Labels.of(["road", "car", "sign"])


def line(id: str, split: str | None = None, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    held = rng.choice(3, rng.integers(1, 4), replace=False)
    height, width = (int(n) for n in rng.integers(1, 4, 2) * 10)
    share = height * width // len(held)
    counts = dict.fromkeys(held.tolist(), share)
    counts[255] = height * width - share * len(held)
    return Sample(
        id=id, split=split, image=None, mask=f"masks/{id}.png", height=height, width=width,
        counts={k: v for k, v in counts.items() if v}, sha256="0" * 64,
    )  # fmt: skip


def both(root: Path, samples: list[Sample], part: int) -> tuple[Dataset, Dataset]:
    """A dataset with a whole manifest, and the same in parts."""
    out = []
    for name, size in (("whole", 0), ("parts", part)):
        (root / name).mkdir(parents=True)
        Dataset(root / name, LABELS, samples, {"tool": "test"}).save({"note": 1}, part=size)
        out.append(Dataset.open(root / name))
    return out[0], out[1]


@st.composite
def manifests(draw: st.DrawFn) -> tuple[list[Sample], int]:
    ids = draw(
        st.lists(st.text("abz/é", min_size=1, max_size=4).filter(lambda id: id[0] != "/"), max_size=25, unique=True)
    )
    splits = st.sampled_from([None, "train", "val"])
    by_name = draw(st.booleans())
    lines = [line(id, ((id > "a" and "val") or "train") if by_name else draw(splits), i) for i, id in enumerate(ids)]
    return lines, draw(st.integers(1, 9))


@settings(max_examples=30)
@given(manifests(), st.data())
def test_parts_are_the_whole(tmp_path_factory: Any, manifest: tuple[list[Sample], int], data: st.DataObject) -> None:
    samples, size = manifest
    whole, parts = both(tmp_path_factory.mktemp("d"), samples, size)
    expected = list(whole.samples)
    assert isinstance(parts.samples, Parts) is bool(samples)
    assert (len(parts), list(parts), parts.splits, parts.digest) == (len(whole), expected, whole.splits, whole.digest)
    joined = b"".join(path.read_bytes() for path in sorted((parts.root / "manifest").glob("*")))
    assert joined == (whole.root / "manifest.jsonl").read_bytes()
    keep = {sample.id for sample in data.draw(st.lists(st.sampled_from(expected)) if expected else st.just([]))}
    names = [*whole.splits, *(f"!{name}" for name in whole.splits if len(whole.splits) > 1)]
    names += [",".join(whole.splits)] if whole.splits else []
    views = [(whole, parts), *((whole.split(name), parts.split(name)) for name in names)]
    views += [(a.select(lambda s: s.id in keep), b.select(lambda s: s.id in keep)) for a, b in views]
    for one, other in views:
        again = pickle.loads(pickle.dumps(other))
        assert list(one) == list(other) == list(again)
        assert one.digest == other.digest
        assert one.splits == other.splits
        n = len(one)
        assert [other.samples[i] for i in range(-n, n)] == [one.samples[i] for i in range(-n, n)]
        cut = slice(
            *sorted(data.draw(st.tuples(*[st.integers(-n - 1, n + 1)] * 2))),
            data.draw(st.sampled_from([None, 1, 2, -1])),
        )
        assert other.samples[cut] == one.samples[cut]
        with pytest.raises(IndexError):
            other.samples[n]
        for sample in expected:
            if sample in list(one):
                assert other.sample(sample.id) == sample
            else:
                with pytest.raises(DatasetError, match="no sample"):
                    other.sample(sample.id)


@settings(max_examples=30)
@given(manifests())
def test_sums_of_parts_are_those_of_the_whole(tmp_path_factory: Any, manifest: tuple[list[Sample], int]) -> None:
    whole, parts = both(tmp_path_factory.mktemp("d"), *manifest)
    assert segdata.class_counts(parts) == segdata.class_counts(whole)
    assert segdata.info(parts) == segdata.info(whole)
    one, other = segdata.stats(whole), segdata.stats(parts)
    assert one.whole.counts == other.whole.counts
    assert {name: p.counts for name, p in one.splits.items()} == {name: p.counts for name, p in other.splits.items()}
    np.testing.assert_array_equal(one.together, other.together)
    np.testing.assert_array_equal(one.sizes, other.sizes)
    for scheme in one.sampling:
        np.testing.assert_allclose(one.sampling[scheme].seen, other.sampling[scheme].seen, rtol=1e-12)
        np.testing.assert_allclose(one.sampling[scheme].share, other.sampling[scheme].share, rtol=1e-12)
        assert one.sampling[scheme].most == pytest.approx(other.sampling[scheme].most)


def test_every_operation_takes_parts(tmp_path: Path) -> None:
    whole = make(tmp_path / "d", random_masks(20, prefix="train/") | random_masks(7, prefix="val/"), images="copy")
    parts = Dataset.open(whole.root)
    parts.save(part=4)
    parts = Dataset.open(whole.root)
    assert isinstance(parts.samples, Parts)
    assert json.loads((whole.root / "dataset.json").read_text())["format"] == 2
    assert not [f for f in segdata.check(parts).findings if f.level == "error"]
    assert segdata.stats(parts, recount=True).differences == ()
    pairs = {
        "split": lambda d, to: segdata.split(d, to, ratios={"a": 0.5, "b": 0.5}, overwrite=True),
        "remap": lambda d, to: segdata.remap(d, to, map={"car": "road"}),
        "tile": lambda d, to: segdata.tile(d, to, size=4),
        "export": lambda d, to: segdata.export("webdataset", d, to, samples_per_shard=6),
    }
    for name, operation in pairs.items():
        operation(whole, tmp_path / name / "one" / "x")
        operation(parts, tmp_path / name / "two" / "x")
        assert contents(tmp_path / name / "one") == contents(tmp_path / name / "two"), name


def test_written_anew_it_leaves_no_part_behind(tmp_path: Path) -> None:
    whole, parts = both(tmp_path, [line(f"{i:03d}", seed=i) for i in range(20)], 6)
    before = sorted(path.name for path in (parts.root / "manifest").iterdir())
    assert [name[:6] for name in before] == ["000000", "000001", "000002", "000003"]
    parts.save(part=6)
    assert sorted(path.name for path in (parts.root / "manifest").iterdir()) == before
    parts.save(part=7)
    again = Dataset.open(parts.root)
    assert len(list((parts.root / "manifest").iterdir())) == 3
    assert list(again) == list(whole)
    again.save()
    assert not (parts.root / "manifest").exists() or not list((parts.root / "manifest").iterdir())
    assert (parts.root / "manifest.jsonl").read_bytes() == (whole.root / "manifest.jsonl").read_bytes()
    assert (parts.root / "dataset.json").read_bytes() == (whole.root / "dataset.json").read_bytes()


def test_the_command(tmp_path: Path) -> None:
    whole, _ = both(tmp_path, [line(f"{i:03d}", seed=i) for i in range(20)], 6)
    before = contents(whole.root)
    for arguments, parts in ((["--parts", "8"], 3), ([], 1), (["--whole"], 0)):
        result = CliRunner().invoke(main, ["manifest", str(whole.root), *arguments])
        assert result.exit_code == 0, result.output
        assert len(list((whole.root / "manifest").glob("*"))) == parts
    assert contents(whole.root) == before
    assert CliRunner().invoke(main, ["manifest", str(whole.root), "--parts", "8", "--whole"]).exit_code == 2
    with pytest.raises(OptionError, match="--parts 0"):
        manifest(whole, part=0)


def test_many_samples_are_written_in_parts_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "MANY", 5)
    dataset = make(tmp_path / "d", random_masks(6))
    assert isinstance(dataset.samples, Parts)
    few = segdata.remap(dataset, tmp_path / "r", map={"car": "road"})
    assert isinstance(Dataset.open(few.root).samples, Parts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda part: part.write_bytes(part.read_bytes().replace(b"train", b"vrain", 1)), "was changed since"),
        (lambda part: part.unlink(), "there is no such file"),
    ],
)
def test_a_part_that_is_not_what_was_written_is_told(tmp_path: Path, change: Any, words: str) -> None:
    _, parts = both(tmp_path, [line(f"{i:03d}", "train") for i in range(9)], 4)
    part = sorted((parts.root / "manifest").iterdir())[1]
    change(part)
    assert parts.samples[0].id == "000"
    for read in (list, lambda d: d.samples[5], lambda d: d.digest, lambda d: d.sample("005")):
        with pytest.raises(DatasetError, match=rf"{part.name}: {words}"):
            read(parts)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"part": "../x.jsonl"}, "not a part of a manifest"),
        ({"part": "manifest/../../x.jsonl"}, "not a part of a manifest"),
        ({"part": "/etc/x.jsonl"}, "not a part of a manifest"),
        ({"part": "manifest/..\\x.jsonl"}, "not a part of a manifest"),
        ({"samples": 0}, "samples: expected int >= 1"),
        ({"samples": "x"}, "samples: expected int, got str"),
        ({"first": "zz"}, "not in order"),
    ],
)
def test_an_index_that_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    _, parts = both(tmp_path, [line(f"{i:03d}") for i in range(9)], 4)
    path = parts.root / "manifest.jsonl"
    assert path.read_bytes().startswith(MARK)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **fields})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=re.escape(words)):
        Dataset.open(parts.root)


def test_a_part_with_other_ids_than_its_index_says_is_refused(tmp_path: Path) -> None:
    _, parts = both(tmp_path, [line(f"{i:03d}") for i in range(9)], 4)
    part = sorted((parts.root / "manifest").iterdir())[0]
    swapped = part.read_bytes().splitlines(keepends=True)[::-1]
    part.write_bytes(b"".join(swapped))
    index = (parts.root / "manifest.jsonl").read_text().splitlines()
    first = {**json.loads(index[0]), "sha256": hashlib.sha256(part.read_bytes()).hexdigest()}
    (parts.root / "manifest.jsonl").write_text("\n".join([json.dumps(first, separators=(",", ":")), *index[1:]]) + "\n")
    with pytest.raises(DatasetError, match="do not match the index"):
        list(Dataset.open(parts.root))


@pytest.mark.process
def test_memory_stays_flat(tmp_path: Path) -> None:
    """100,000 samples in parts cost hardly more than 40,000, and much less than as a whole."""
    peaks = {}
    for name, count, size in (("few", 40_000, 1000), ("many", 100_000, 1000), ("whole", 100_000, 0)):
        root = tmp_path / name
        root.mkdir()
        row = line("x", seed=1)
        samples = [msgspec.structs.replace(row, id=f"{'train' if i % 5 else 'val'}/{i:09d}") for i in range(count)]
        Dataset(root, LABELS, samples, {"tool": "test"}).save(part=size)
        code = (
            "import segdata\n"
            f"d = segdata.Dataset.open({str(root)!r}); s = segdata.stats(d); d.digest\n"
            f"assert len(d) == {count} and s.whole.counts.samples == {count}; d.samples[len(d) // 2]\n"
        )
        _, peaks[name] = peak_memory(code)
    assert peaks["many"] < peaks["few"] + 8
    assert peaks["many"] < peaks["whole"] - 15
