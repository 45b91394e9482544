"""Which format a folder or file of labels is in, from its names and a glance into JSON: no image is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from segdata.dataset.journal import CARD, MANIFEST
from segdata.errors import DataError, OptionError, Problem
from segdata.files.places import listed, matching, read_ends
from segdata.files.remote import Place
from segdata.words import some

GLANCE = 2**18
"""So many bytes are read at either end of a JSON file; smaller ones are read whole."""

COCO_KEYS = ("images", "annotations", "categories")

ALREADY = "it is a segdata dataset already, which needs no converting"

COCO_PLACES = ("annotations/*.json", "*/_annotations.coco.json", "*.json")


@dataclass(frozen=True, slots=True)
class Detection:
    """The format, or None where none fits or several do; and for every other format the reason why it is not."""

    format: str | None
    reasons: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {"format": self.format, "reasons": self.reasons}


def detect(source: str | Path) -> Detection:
    """The format that labels are in. One with a layout of its own wins over `masks`, which is any pair of folders.

    Raises `DataError` (`source.missing`) if there is no such file or folder.

    Args:
        source: The folder or file with the labels.
    """
    root = listed(source)
    if not root.exists():
        raise DataError(Problem("source.missing", "there is no such file or folder", file=str(root)))
    if (root / CARD).is_file() and (root / MANIFEST).is_file():
        return Detection(None, dict.fromkeys(TESTS, ALREADY))
    reasons = {name: test(root) for name, test in TESTS.items()}
    fitting = [name for name, reason in reasons.items() if reason is None]
    specific = [name for name in fitting if name != "masks"] or fitting
    chosen = specific[0] if len(specific) == 1 else None
    for name in fitting:
        others = some(other for other in specific if other != name)
        more = f"fits too, but {chosen} has a layout of its own"
        reasons[name] = more if chosen else f"fits, and so does {others}: name the one that is meant"
    return Detection(chosen, {name: str(reason) for name, reason in reasons.items() if name != chosen})


def format_of(source: str | Path) -> str:
    """The format for `convert auto`. Raises `OptionError` with every reason where it is not plain, as `detect`."""
    found = detect(source)
    if ALREADY in found.reasons.values():
        raise OptionError(f"{source}: {ALREADY} (segdata remap, split, tile and the others take it as it is)")
    if found.format is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.reasons.items())
        raise OptionError(f"{source}: its format is not plain ({reasons}): name it in place of auto")
    return found.format


def is_coco(root: Place) -> str | None:
    """A JSON with images, annotations and categories, itself or where COCO has it."""
    if root.is_file():
        return _unlike_coco(root)
    found = next((files for place in COCO_PLACES if (files := _shown(root, place))), [])
    if not found:
        return "there is no annotations/*.json, */_annotations.coco.json or *.json"
    reasons = [_unlike_coco(path) for path in found[:20]]
    return None if None in reasons else reasons[0]


def is_cityscapes(root: Place) -> str | None:
    """leftImg8bit/ and gtFine/ or gtCoarse/, with label files of their names."""
    if reason := _without(root, ("leftImg8bit/",)):
        return reason
    folders = [root / name for name in ("gtFine", "gtCoarse") if (root / name).is_dir()]
    if not folders:
        return "there is no gtFine/ and no gtCoarse/"
    kinds = ("labelIds.png", "labelTrainIds.png", "instanceIds.png", "polygons.json")
    if any(_any(folder.glob(f"*/*/*_{folder.name}_{kind}")) for folder in folders for kind in kinds):
        return None
    return f"{folders[0].name}/ holds no <split>/<city>/<frame>_{folders[0].name}_labelIds.png or _polygons.json"


def is_pets(root: Place) -> str | None:
    """images/ and annotations/ with trimaps/ and list.txt."""
    return _without(root, ("images/", "annotations/trimaps/", "annotations/list.txt"))


def is_voc(root: Place) -> str | None:
    """JPEGImages/ and SegmentationClass/ in SRC, or in a VOC<year>/ below it."""
    if not root.is_dir():
        return "it is no folder"
    years = [root, *matching(root, "VOC*/"), *matching(root, "VOCdevkit/VOC*/")]
    masks = [year for year in years if _any(path for path in year.glob("SegmentationClass*") if path.is_dir())]
    if not masks:
        return "there is no SegmentationClass/ and no VOC<year>/SegmentationClass/"
    return (
        None
        if any((year / "JPEGImages").is_dir() for year in masks)
        else "there is no JPEGImages/ beside SegmentationClass/"
    )


def is_masks(root: Place) -> str | None:
    """Folders of usual names, whose files pair up."""
    from segdata.readers.masks_pairs import Pattern, choose_layout

    if not root.is_dir():
        return "it is no folder"
    try:
        choose_layout(root, None, None, (Pattern(), Pattern()), images=True)
    except DataError as error:
        return error.problem.message
    except OptionError as error:
        return str(error)
    return None


def is_vector(root: Place) -> str | None:
    """A .geojson file, or a folder of them of which one has the name of an image."""
    if root.is_file():
        return None if root.suffix == ".geojson" else "it is no .geojson file"
    named = {
        path.stem
        for place in ("labels", "vectors", "geojson", "images", ".")
        for path in (root / place).glob("*.geojson")
    }
    if not named:
        return "there is no labels/*.geojson, vectors/*.geojson or *.geojson"
    images = (path.stem for place in ("images", ".") for path in (root / place).glob("*") if path.suffix != ".geojson")
    return None if named & set(images) else "no .geojson has the name of an image (--vectors takes one for all)"


def is_webdataset(root: Place) -> str | None:
    """Tar files, in SRC or its shards/, or one of them."""
    if root.is_file():
        return None if root.suffix == ".tar" else "it is no .tar file"
    shards = (path for place in ("*.tar", "shards/*.tar") for path in root.glob(place) if path.is_file())
    return None if _any(shards) else "there is no *.tar and no shards/*.tar"


TESTS: dict[str, Callable[[Place], str | None]] = {
    "coco": is_coco,
    "voc": is_voc,
    "cityscapes": is_cityscapes,
    "pets": is_pets,
    "vector": is_vector,
    "webdataset": is_webdataset,
    "masks": is_masks,
}
"""For each of `READERS` a function: the reason why SRC is not in that format, or None where it is."""


def _without(root: Place, names: Iterable[str]) -> str | None:
    """Which of these folders (`name/`) and files are not there."""
    missing = [
        name for name in names if not ((root / name).is_dir() if name.endswith("/") else (root / name).is_file())
    ]
    return f"there is no {' and no '.join(missing)}" if missing else None


def _shown(root: Place, pattern: str) -> list[Place]:
    """The files that match, sorted, but for hidden ones."""
    return [path for path in matching(root, pattern) if path.name[:1] != "." and path.is_file()]


def _any(paths: Iterable[Place]) -> bool:
    return next(iter(paths), None) is not None


def _unlike_coco(path: Place) -> str | None:
    """Which keys a JSON lacks. Of one too large to be read whole, an end that shows one of them is enough."""
    size, head, tail = read_ends(path, GLANCE)
    if size > 2 * GLANCE:
        shown = re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head + b"\n" + tail)
        return None if shown else f"neither end of {path.name} shows {', '.join(COCO_KEYS)}"
    try:
        parts = msgspec.json.decode((head + tail).removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return f"{path.name} is not JSON, or no JSON object"
    missing = [key for key in COCO_KEYS if key not in parts]
    return f"{path.name} has no {' and no '.join(missing)}" if missing else None
