"""Plain images as a dataset without masks, so that they can be predicted."""

from __future__ import annotations

from segdata.dataset.dataset import Dataset
from segdata.dataset.ids import portable_ids, sample_ids
from segdata.dataset.layout import JOURNAL, MANIFEST
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, Problem
from segdata.files.endings import ending
from segdata.files.forms import ZARR
from segdata.files.listing import files_in, kinds_in
from segdata.files.places import listed
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.files.vrt import images_among
from segdata.labels import Labels
from segdata.words import some


def dataset_or_images(path: str | Place, labels: Labels, reading: Reading = AS_IT_IS) -> Dataset:
    """A dataset, or the images below a folder, or one image, under `labels`; sizes are not known yet, and there are no masks.

    Ids are paths without extension, which is kept where two would be alike. Raises `DatasetError` where there is nothing.
    """
    root = listed(path)
    if root.is_dir() and ((root / MANIFEST).exists() or (root / JOURNAL).exists()):
        return Dataset.open(path)
    if root.is_file() or ending(str(root)) == ZARR:
        folder, files = root.parent, [root.name]
    elif root.is_dir():
        folder, files = root, images_among(root, files_in(root), reading)
    else:
        raise DatasetError(f"{root}: there is no such folder or image")
    if not files:
        raise DatasetError(f"{root}: is no dataset, and holds no image, but {kinds_in(files_in(root))}")
    if odd := [name for name in files if name.encode(errors="replace").decode() != name]:
        raise DatasetError(f"{root / odd[0]}: its name is not UTF-8, so no manifest can hold it: rename it")
    ids, _ = sample_ids(None, files)
    if bad := [id for id in ids if isinstance(id, Problem)]:
        raise DatasetError(f"{root}: {some(bad, 1)}")
    other, _ = portable_ids(id for id in ids if isinstance(id, str))
    samples = [
        Sample(id=other.get(id, id), image=file, mask="", height=0, width=0, counts={}, sha256="", exif="upright")
        for id, file in zip(ids, files, strict=True)
        if isinstance(id, str)
    ]
    return Dataset(folder, labels, samples, {}, "reference", reading)
