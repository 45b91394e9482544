"""Which images to label next: those that the model is least sure of, of rare classes, and unlike each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.groups import rule_of
from segdata.dataset.id_lists import is_list, write_list
from segdata.errors import OptionError, one_of
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.ops.pick.choose import Floats, Ints, Room, Vectors, farthest, heaviest, nearest
from segdata.ops.pick.look import Looking
from segdata.ops.pick.pool import ENDING, Labelled, Pool, groups_of, open_pool, refuse_alone
from segdata.ops.pick.result import Picked, PickedImage
from segdata.ops.pick.weigh import Strategy, Weighed, vectors_of, weigh
from segdata.ops.pick.write import Order, list_text, refuse_dataset, write_dataset
from segdata.prediction.predictor import Predictor
from segdata.prediction.profile import SIGNALS

FAR = ("combined", "diversity")
"""Strategies that look at distances."""

MOST = 20_000
"""The embeddings of so many images are in memory at once, or four times as many as are picked."""


class Options(NamedTuple):
    """What is asked for, apart from the images."""

    n: int
    strategy: Strategy
    kinds: list[str]
    per_group: int | None
    split: str | None
    seed: int


def pick(
    pool: Dataset | str | Path,
    destination: str | Path | None = None,
    *,
    n: int = 100,
    strategy: Strategy = "combined",
    labelled: Dataset | str | Path | None = None,
    per_group: int | None = None,
    group_by: str | Sequence[str] = (),
    split: str | None = None,
    model: Predictor | str | Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    run: Run | None = None,
) -> Picked:
    """Pick the images to label next, by what a model says of them: a list, or a dataset of its predictions to correct.

    One image is taken after another: each time that with the largest product of how unsure the model is (mean entropy), how
    rare the classes are that it sees there, and how far the embedding is from all labelled and taken before. Of more than
    20,000 images, those of the largest weights are candidates. What is picked follows from the signals and `seed`.

    Raises `DatasetError` for a pool without signals, or of another model than the labelled images', `OptionError`; and as
    `carry` does, if a dataset is written.

    Args:
        pool: A dataset of predictions, its folder, or a file of signals, such as a service writes; with `model` any dataset,
            or a folder of images.
        destination: The list to write: .txt has an id per line, .csv a table; or else the folder of a new dataset of the picked
            images with their predicted masks. By default nothing is written.
        n: How many images to pick.
        strategy: combined is uncertainty x rarity x distance; uncertainty and rarity look at one of these, diversity at
            distances alone; random draws.
        labelled: A dataset whose images are labelled already: they are not picked, and images near them are avoided. Those that
            are not in the pool are to be predictions of the same model, unless `model` is given.
        per_group: Pick at most this many images of a group, such as frames of one drive.
        group_by: What a group is: group, the manifest's field (the default if samples have it); parent, the image alone;
            regex:PATTERN, what the first parentheses match in the id; csv:FILE, a table with the columns id,group or
            image,group; and besides, sequence, images whose ids look like frames of one; duplicates, images that are the
            same or nearly so (reads the images); crops, also those that are cropped out of one another or turned (takes the
            extras train and weights).
        split: Pick from this split of the pool only; several: a,b; all but one: !a.
        model: Look at the pool with this model first: its file, or in Python a `Predictor`. Only lists are written then.
        device: Where the model runs: cpu, cuda, cuda:1, mps; auto: a GPU if there is one.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        seed: Another seed breaks ties otherwise, and draws other images.
        overwrite: Replace a list or a dataset that is there.
    """
    one_of("strategy", strategy, Strategy)
    if n < 1 or (per_group is not None and per_group < 1):
        raise OptionError("--n and --per-group: must be 1 or more")
    kinds = [group_by] if isinstance(group_by, str) else list(group_by)
    if model is not None and str(pool).endswith(ENDING):
        raise OptionError(f"--model: {pool} has signals already, which no model can look at: leave it out")
    if kinds and per_group is None:
        raise OptionError("--group-by: give --per-group too: at most so many images of each")
    run = run or Run()
    options = Options(n, strategy, kinds, per_group, split, seed)
    if model is None:
        source = open_pool(pool, split)
        if destination is not None and not source.masks:
            refuse_dataset(destination, source.name, None)
        return _written(source, Labelled.of(labelled, source), options, destination, overwrite, run)
    if destination is not None:
        refuse_dataset(destination, pool, model)
    with TemporaryDirectory(prefix="segdata-") as folder:
        looking = Looking.by(model, Path(folder), device, trust_code, run)
        source = looking.pool(pool, split)
        known = looking.others(Labelled.of(labelled, source, signals=False))
        return _written(source, known, options, destination, overwrite, run)


def _written(
    pool: Pool, labelled: Labelled, options: Options, destination: str | Path | None, overwrite: bool, run: Run
) -> Picked:
    """What was picked, once it is written."""
    rule = rule_of(options.kinds)
    picked = choose(pool, labelled, options, run)
    if destination is None:
        return picked
    read = [pool.dataset.root, labelled.root, pool.signals, place(rule.table) if rule and rule.table else None]
    beside = [one for one in read if one is not None]
    if is_list(destination):
        write_list(place(destination), list_text(picked, destination), beside, overwrite=overwrite)
        return picked
    facts = {**options._asdict(), "signals": pool.digest, "labelled": labelled.digest, **(rule.facts if rule else {})}
    order = Order(pool, facts, beside)
    return replace(picked, dataset=write_dataset(picked, order, destination, overwrite=overwrite, run=run))


def choose(pool: Pool, labelled: Labelled, options: Options, run: Run) -> Picked:
    """What to pick of a pool. Raises as `pick`, and writes nothing."""
    left = weigh(pool.read, len(pool.about.contract.classes), labelled.ids, options.seed)
    if not left.ids:
        raise OptionError(f"{pool.name}: no image is left to pick: all {len(labelled.ids):,} are labelled")
    groups: Ints | None = None
    named: dict[str, str] = {}
    if options.per_group is not None:
        groups, names = groups_of(pool, left.ids, options.kinds, run)
        refuse_alone(names, len(left.ids))
        named = {id: names[number] for id, number in zip(left.ids, groups.tolist(), strict=True)}
    places = candidates(left.weights(options.strategy), groups, options)
    images, groups = left.only(places), None if groups is None else groups[places]
    room = Room(groups, options.per_group)
    if options.strategy in FAR:
        distance, vectors, unknown = _distances(pool, labelled, images)
        taken, gaps = farthest(images.weights(options.strategy), vectors, distance, options.n, room)
    else:
        taken, gaps, unknown = heaviest(images.weights(options.strategy), options.n, room), None, 0
    return Picked(
        _rows(pool, images, taken, gaps, named), options.n, len(pool.dataset), len(labelled.ids), unknown,
        round(float(left.uncertainty.mean()), 6), options.strategy,
    )  # fmt: skip


def candidates(weights: Floats, groups: Ints | None, options: Options) -> Ints:
    """(M,) the places of the images to choose from: all, or of many the heaviest, no more of a group than eight times its limit.

    They stay in order.
    """
    most = max(MOST, 4 * options.n)
    order = np.argsort(-weights, kind="stable")
    if len(order) <= most:
        return np.arange(len(order))
    if groups is not None and options.per_group is not None:
        order = order[_place_in_group(groups[order]) < 8 * options.per_group]
    return np.sort(order[:most])


def _place_in_group(groups: Ints) -> Ints:
    """(N,): how many of the same group come before each."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    first = np.searchsorted(ordered, ordered)
    out = np.empty(len(groups), np.int64)
    out[order] = np.arange(len(groups)) - first
    return out


def _distances(pool: Pool, labelled: Labelled, images: Weighed) -> tuple[Floats, Vectors, int]:
    """(N,) how far each image is from what is labelled; (N, D) the embeddings; of how many labelled images there is none.

    Raises `OptionError` for a pool without embeddings, and if there is none of any labelled image.
    """
    vectors = vectors_of(pool.read, {id: place for place, id in enumerate(images.ids)})
    if vectors is None:
        why = "not every image has an embedding, as of a model without an encoder"
        raise OptionError(f"{pool.name}: {why}: --strategy uncertainty does without")
    seen = set[str]()

    def labelled_ones() -> Iterator[Vectors]:
        for ids, some in labelled.vectors(pool):
            seen.update(ids)
            if some.shape[1] != vectors.shape[1]:
                raise OptionError(
                    f"--labelled: its embeddings are of another model than those of {pool.name}: predict again"
                )
            yield some

    distance = nearest(vectors, labelled_ones())
    whole = len(labelled.ids) + len(labelled.others)
    if whole and not seen:
        raise OptionError(f"--labelled: {labelled.root} has no {SIGNALS}, and none of its images is in the pool: predict them "
                          f"with the same model (segdata predict MODEL {labelled.root} PRED), and give that")  # fmt: skip
    return distance, vectors, whole - len(seen)


def _rows(
    pool: Pool, images: Weighed, taken: Sequence[int], gaps: Sequence[float] | None, named: Mapping[str, str]
) -> tuple[PickedImage, ...]:
    """The images taken, in order. `named`: what the groups of images are called, if others than in the manifest are meant."""
    wanted = {images.ids[i] for i in taken}
    samples = {sample.id: sample for sample in pool.dataset if sample.id in wanted}
    out = []
    for rank, i in enumerate(taken, 1):
        sample = samples[images.ids[i]]
        out.append(
            PickedImage(
                rank=rank, id=sample.id, image=pool.image_path(sample), group=named.get(sample.id, sample.group),
                uncertainty=round(float(images.uncertainty[i]), 6), rarity=round(float(images.rarity[i]), 6),
                distance=None if gaps is None else round(gaps[rank - 1], 6),
            )
        )  # fmt: skip
    return tuple(out)
