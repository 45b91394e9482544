"""Replace a dataset in storage by another. Storage cannot rename, so the steps have an order that can be repeated."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from segdata.errors import StorageError
from segdata.files.places import files_below
from segdata.files.remote import Remote


def replace_prefix(new: Remote, old: Remote, manifest: str, *, leave: Collection[str] = ()) -> None:
    """Replace all that is under `old` by all that is under `new`. If it is killed at any step, call it again to finish.

    1. The old `manifest` is removed: from here on, `old` does not open as a dataset.
    2. All else that is old is removed, and all that is new is copied, except its manifest.
    3. The new manifest is copied: `old` is now the new dataset, whole.
    4. An object beside the manifest of `new` notes that. Then all under `new` is removed, the manifest and this object last.

    Nothing happens if `new` has no manifest, and so is no whole dataset. `leave`: paths below either that are not touched,
    such as locks. Both are written to through their fences. Raises `StorageError`, and `DatasetError` if a lock is lost.
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
    """Steps 1 to 3. Raises `StorageError` if objects are missing or left over: clients do not report every failure."""
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
