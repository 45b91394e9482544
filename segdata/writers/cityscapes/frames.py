"""What samples are called in Cityscapes' layout: SPLIT/CITY/CITY_SEQUENCE_FRAME, of which its programs read the parts."""

from __future__ import annotations

import hashlib
import re
from posixpath import split

from segdata.dataset.dataset import Dataset
from segdata.dataset.ids import NAME_MAX
from segdata.files.cityscapes_table import FINE, TRAIN_IDS
from segdata.writers.names import Named, name_samples, unique

TRAIN, UNSPLIT = "train", "unsplit"

CITY, SEQUENCE = "city", "000000"
"""The city of samples whose ids have no folder, and the sequence of all that are not called as Cityscapes' are."""

SHORT = 80
"""Bytes to which a city and a frame are cut if their name is too long."""

ROOM = NAME_MAX - len(f"_{FINE}_{TRAIN_IDS}") - len("-12345678")
"""The most bytes of a name, which more digits may follow."""


def name_frames(dataset: Dataset) -> list[Named]:
    """The samples by id, each with its split and its name, CITY/CITY_SEQUENCE_FRAME.

    Ids that are called so keep their names. Otherwise the folders of an id are its city, and its last part is the frame, with -
    for _. Samples in no split are in `train` if there are no splits, and otherwise in `unsplit`. Raises as `name_samples`.
    """
    named = name_samples(dataset, unsplit=UNSPLIT if dataset.splits else TRAIN)
    return unique([one._replace(name=frame_name(one.name)) for one in named])


def frame_name(name: str) -> str:
    """CITY/CITY_SEQUENCE_FRAME of a sample's name."""
    folder, base = split(name)
    own = re.fullmatch(r"[^._/][^_/]*", folder) and re.fullmatch(rf"{re.escape(folder)}_[^_]+_[^_]+", base)
    city, frame = re.sub("[_/]", "-", folder).lstrip(".-") or CITY, base.replace("_", "-")
    whole = base if own else f"{city}_{SEQUENCE}_{frame}"
    if len(whole.encode()) > ROOM:
        digits = hashlib.sha256(name.encode()).hexdigest()[:8]
        city, frame = cut(city), f"{cut(frame)}-{digits}"
        whole = f"{city}_{SEQUENCE}_{frame}"
    return f"{city}/{whole}"


def cut(name: str) -> str:
    """The first part of a name, which every file system can hold."""
    return name.encode()[:SHORT].decode(errors="ignore").rstrip(". ")
