"""A dataset of storage in the place of another. Storage renames nothing, so it is done in an order that can be done again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from segdata.errors import StorageError
from segdata.files.places import files_below
from segdata.files.remote import Remote


def replace_prefix(new: Remote, old: Remote, manifest: str, *, leave: Collection[str] = ()) -> None:
    """Put all that is under `new` in the place of all that is under `old`. Killed anywhere and called again, it ends well.

    1. The old `manifest` is removed: nothing opens as a dataset from here on, until it is the new one.
    2. All else that is old is removed, and all that is new is copied but its manifest.
    3. The new manifest is copied: the dataset is whole, and the new one.
    4. An object beside the manifest of `new` says so. Then all that is under `new` is removed, the manifest and that one last.

    Nothing happens if `new` has no manifest, and so is no whole dataset. `leave`: paths below either that are not touched, as
    those of locks. Both are written to through their fences. Raises `StorageError`, and `DatasetError` if a fence has fallen.
    """
    copied = f"{manifest}.partial"
    if not (new / copied).is_file():
        if not (new / manifest).is_file():
            return
        _copy(new, old, manifest, leave)
        (new / copied).write_bytes(b"")
    _remove(new, _below(new) - {manifest, copied, *leave})
    (new / manifest).unlink(missing_ok=True)
    (new / copied).unlink(missing_ok=True)


def _copy(new: Remote, old: Remote, manifest: str, leave: Collection[str]) -> None:
    """Steps 1 to 3. Raises `StorageError` if not all is as it should be: not every failure is told by every client."""
    (old / manifest).unlink(missing_ok=True)
    _remove(old, _below(old) - {*leave})
    names = _below(new) - {manifest, *leave}
    old.copy_all(new, names)
    if missing := names ^ (_below(old) - {*leave}):
        raise StorageError(f"{old / min(missing)}: could not be replaced: run the same command again to go on")
    (old / manifest).copy_from(new / manifest)


def _remove(root: Remote, names: Iterable[str]) -> None:
    root.remove_all((root / name).path for name in sorted(names))


def _below(root: Remote) -> set[str]:
    return set(files_below(root.bare))
