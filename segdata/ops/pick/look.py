"""Images that a model looks at now, as a pool: their signals lie in a file for as long as they are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import Problem, refuse_nothing
from segdata.executors.run import Run
from segdata.files.places import file_digest, place
from segdata.ops.pick.pool import Labelled, Pool
from segdata.prediction.folder import dataset_or_images
from segdata.prediction.inputs import opened_for, read_as
from segdata.prediction.predictor import Predictor, load_predictor
from segdata.prediction.profile import About, line_of
from segdata.prediction.signals import measured
from segdata.prediction.sliding import Failed, Input, as_it_is
from segdata.prediction.windows import Sliding
from segdata.words import briefly


@dataclass(frozen=True, slots=True)
class Looking:
    """A model that looks at images, and the folder where their signals are written."""

    __repr__ = briefly

    predictor: Predictor
    about: About
    folder: Path
    run: Run

    @classmethod
    def by(cls, model: Predictor | str | Path, folder: Path, device: str, trust_code: bool, run: Run) -> Looking:
        """Raises as `load_predictor`."""
        digest = None
        if isinstance(model, str | Path):
            path = place(model)
            model = load_predictor(path, device, trust_code=trust_code)
            digest = file_digest(path)
        about = About.by(model, digest)
        return cls(model, about, folder, run)

    def pool(self, images: Dataset | str | Path, split: str | None) -> Pool:
        """The images of a dataset, or below a folder. Raises as `predict` does, for the first bad image, too."""
        found = images if isinstance(images, Dataset) else dataset_or_images(images, self.predictor.labels)
        return self._looked_at(found if split is None else found.split(split), "pool")

    def others(self, labelled: Labelled) -> Labelled:
        """The same labelled images, those that are not in the pool with their signals."""
        if labelled.dataset is None or not labelled.others:
            return labelled
        others = labelled.dataset.select(lambda sample: sample.id in labelled.others and sample.image is not None)
        return replace(labelled, own=self._looked_at(others, "labelled")) if len(others) else labelled

    def _looked_at(self, dataset: Dataset, name: str) -> Pool:
        dataset = read_as(dataset, self.predictor, None, "auto", self.run)
        recipe = getattr(self.predictor, "recipe", None)
        images = (
            Input(sample, partial(opened_for, dataset, sample, self.predictor), recipe.resized if recipe else as_it_is)
            for sample in sorted(dataset, key=lambda sample: sample.id)
        )
        signals, bad, known = self.folder / f"{name}.jsonl", list[Problem](), set[str]()
        with signals.open("wb") as file:
            file.write(line_of(self.about))
            for row in measured(images, self.predictor, Sliding(), name=_named):
                if isinstance(row, Failed):
                    self.run.report.add(row.problem)
                    bad.append(row.problem)
                else:
                    known.add(row.id)
                    file.write(line_of(row))
        if not known:
            refuse_nothing(bad)
        return Pool(str(dataset.root), signals, self.about, dataset.select(lambda s: s.id in known), len(known), False)


def _named(sample: Sample) -> tuple[str, str | None]:
    return sample.id, sample.group or sample.parent
