"""Label files and lists in a folder, and items of a set whose images have names: the name finds the labels and the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report
from segdata.files.images import Exif
from segdata.files.listing import files_in
from segdata.files.places import matching
from segdata.files.remote import Place
from segdata.readers.source import Annotation, Item, Receipt, leave_out, read_text
from segdata.words import some, suggest


def label_files(root: Place, ending: str, code: str) -> tuple[Place, list[str]]:
    """The folder of a source with label files of one ending, and their POSIX paths below it; SRC may be one of them.

    Raises `DataError` (`code`) if there is none.
    """
    if root.is_file():
        return root.parent, [root.name]
    names = [name for name in files_in(root) if name.lower().endswith(ending)] if root.is_dir() else []
    if not names:
        message = f"holds no label file ({ending})" if root.is_dir() else "there is no such file or folder"
        raise DataError(Problem(code, message, file=str(root)))
    return root, names


def split_lists(
    folder: Place, usual: Sequence[str], split: str | None, receipt: Receipt, code: str
) -> dict[str, list[str]]:
    """The names in each list `<split>.txt` of a folder: those of `split`, or of the `usual` splits; empty if there is no list.

    A list that is not read gets a note. Raises `OptionError` where there is no list of the split, `DataError` (`code`).
    """
    found = {path.stem: path for path in matching(folder, "*.txt") if not path.name.startswith(".")}
    if split is not None and split not in found:
        way_out = suggest(split, found) if found else "there is no list: leave --split out"
        raise OptionError(f"no split {split!r}, as {folder.name} has no {split}.txt: {way_out}")
    chosen = [name for name in usual if name in found] if split is None else [split]
    if split is None and (others := [f"{name}.txt" for name in found if name not in chosen]):
        receipt.notes.append(f"not read: {some(others)} in {folder.name} (--split reads one of them)")
    return {name: read_list(found[name], code) for name in chosen}


def read_list(path: Place, code: str) -> list[str]:
    """The names in a list, one per line. Raises `DataError` (`code`) if there is none, or the file is no text."""
    names = [line.strip() for line in read_text(path, code).split("\n") if line.strip()]
    if not names:
        raise DataError(Problem(code, "names no image: remove it, or take another --split", file=path.name))
    return names


def once(
    lists: Mapping[str, Sequence[str]], report: Report, receipt: Receipt, code: str
) -> dict[str | None, Sequence[str]]:
    """The names of each split, but for those that two lists hold, or one list twice: each is a problem (`code`)."""
    holders: dict[str, list[str]] = defaultdict(list)
    for split, names in lists.items():
        for name in names:
            holders[name].append(split)
    for name, splits in holders.items():
        if len(splits) > 1:
            where = some(f"{split}.txt" for split in dict.fromkeys(splits))
            message = f"is named {len(splits)} times, in {where}: keep one, as an image is in one split"
            leave_out(Problem(code, message, f"{splits[0]}.txt", f"{splits[0]}/{name}"), (), report, receipt)
    return {split: [name for name in names if len(holders[name]) == 1] for split, names in lists.items()}


def make_items(
    split: str | None,
    names: Sequence[str],
    label: Callable[[str], Annotation | Problem],
    image: Callable[[str], str | Problem] | None,
    report: Report,
    receipt: Receipt,
    exif: Exif | None = None,
) -> list[Item]:
    """One item per name that has its labels and, where they are wanted, its image; the others are left out.

    `label` and `image` find what a name stands for, or say why there is none. Without `image` no image is looked for.
    """
    ids, _ = sample_ids(split, [f"{name}.png" for name in names])
    items: list[Item] = []
    for name, id in zip(names, ids, strict=True):
        annotation = label(name) if isinstance(id, str) else id
        path = image(name) if image is not None and not isinstance(annotation, Problem) else None
        if not isinstance(annotation, Problem) and not isinstance(path, Problem):
            items.append(Item(str(id), path, None, annotation, split, exif=exif))
            continue
        problem, there = (annotation, ()) if isinstance(annotation, Problem) else (path, annotation.ids)
        if isinstance(problem, Problem):
            sample = id if isinstance(id, str) else id.sample
            leave_out(replace(problem, sample=sample), there, report, receipt)
    return items
