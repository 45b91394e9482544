"""The frames of "CVAT for video": an XML numbers those that have shapes, and images have the numbers in their names."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from segdata.errors import DataError, Problem
from segdata.files.endings import is_image
from segdata.files.places import list_folder
from segdata.files.remote import Place
from segdata.readers.cvat.files import Images
from segdata.readers.cvat.index import FrameKey, Index, Task
from segdata.readers.source import Receipt
from segdata.words import some

MOST = 10**6
"""More frames than this, which is eleven hours of video, are no task's."""

NONE: array[int] = array("q")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, its image's file (or why there is none, or None if none is wanted), and the places of its shapes."""

    key: FrameKey
    image: str | Problem | None
    size: tuple[int, int] | None
    places: array[int]


def find_frames(index: Index, images: Images | None, receipt: Receipt) -> list[Frame]:
    """The frames of an XML of tracks; none of an XML of images.

    These are the frames that its tasks state and those with a shape in view, but for the deleted ones. With images, frames
    that have neither a shape nor a file are left out: CVAT exports no deleted frame, and does not say which these are.
    Raises `DataError` (`cvat.frames`).
    """
    numbers: dict[tuple[str | None, str], set[int]] = defaultdict(set)
    for key in index.seen:
        numbers[key.subset, key.task].add(key.number)
    if not index.images:
        for task in index.tasks.values():
            if index.tracks or not task.of_images:
                numbers[task.subset, task.id] |= set(stated(task, index))
    frames: list[Frame] = []
    for (subset, id), there in numbers.items():
        task = index.task_of(id)
        keys = [FrameKey(subset, id, number) for number in sorted(there - task.deleted)]
        frames += _of_task(index, task, keys, images, receipt)
    _tell_gaps(index, frames, receipt)
    return frames


def stated(task: Task, index: Index) -> range:
    """The frames that a task states. Raises `DataError` (`cvat.frames`) if they are too many to be true."""
    if len(task.frames) > MOST:
        what = f"states {len(task.frames):,} frames (size, start_frame, stop_frame): correct it"
        raise DataError(Problem("cvat.frames", what, str(index.path)))
    return task.frames


def _of_task(
    index: Index, task: Task, keys: Sequence[FrameKey], images: Images | None, receipt: Receipt
) -> list[Frame]:
    """The frames of one task."""
    if images is None or not keys:
        return [Frame(key, None, task.size, index.frames.get(key, NONE)) for key in keys]
    files = numbered(images.folders(keys[0].subset), by_end=not task.of_images)
    _refuse_shifted(index, [key.number for key in keys], files, task.step)
    frames, left_out = [], 0
    for key in keys:
        file = files.get(key.number) or missing(key, task, images.folders(key.subset)[0])
        if isinstance(file, str) or key in index.seen:
            frames.append(Frame(key, file, task.size, index.frames.get(key, NONE)))
        else:
            left_out += 1
    if left_out:
        what = f"frames with neither a shape nor an image: {left_out:,}, left out as deleted ones"
        receipt.notes.append(f"{index.path.name}: {what}")
    return frames


def numbered(folders: Iterable[Place], *, by_end: bool) -> dict[int, str | Problem]:
    """The images in the first folder that has some called frame_<number>; or else, `by_end`, by the number at the end."""
    patterns = (r"frame_(\d{1,9})", r"(?:.*\D)?(\d{1,9})") if by_end else (r"frame_(\d{1,9})",)
    for pattern in patterns:
        for folder in folders:
            files: dict[int, str | Problem] = {}
            for name in sorted(list_folder(folder)) if folder.is_dir() else ():
                match = re.fullmatch(pattern, name.rpartition(".")[0], re.ASCII | re.IGNORECASE)
                if match and is_image(name) and name[:1] != ".":
                    number = int(match[1])
                    twice = f"there are several images of frame {number}, such as {name}: keep one"
                    files[number] = Problem("image.ambiguous", twice) if number in files else str(folder / name)
            if files:
                return files
    return {}


def missing(key: FrameKey, task: Task, folder: Place) -> Problem:
    """Why a frame has no image, and the ways to get one."""
    way_out = "export with images, or save the video's frames there (ffmpeg -i VIDEO -start_number 0 frame_%06d.png)"
    if task.of_images:
        way_out = 'export the task as "CVAT for images", which names its images'
    return Problem("image.missing", f"there is no frame_{key.number:06d}.png in {folder}: {way_out}")


def _refuse_shifted(index: Index, numbers: Sequence[int], files: Mapping[int, object], step: int) -> None:
    """Raise `DataError` (`cvat.frames`) where files count from one more than frames do: each would be its neighbour's."""
    first, last = numbers[0], numbers[-1]
    if first not in files and files and min(files) in (first + 1, first + step) and max(files) > last:
        what = f"has frames {first} to {last}, and the images are called {min(files)} to {max(files)}"
        way_out = "rename them: CVAT counts from 0, ffmpeg does with -start_number 0"
        raise DataError(Problem("cvat.frames", f"{what}: {way_out}", str(index.path)))


def _tell_gaps(index: Index, frames: Sequence[Frame], receipt: Receipt) -> None:
    """Warn of frames between which a track is in view and not listed: CVAT lists every frame, others only some."""
    there: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    for frame in frames:
        there[frame.key.subset, frame.key.task].append(frame.key.number)
    found = []
    for key, after in index.gaps:
        numbers = there[key.subset, key.task]
        at = bisect_right(numbers, key.number)
        if at < len(numbers) and numbers[at] < after:
            found.append(numbers[at])
    if found:
        what = f"{len(found):,} times a track is in view and then not listed, as on {some((f'frame {n}' for n in found), 2)}"
        way_out = "it is not drawn there; import it into CVAT and export it again, which lists every frame"
        receipt.warnings.append(f"{index.path.name}: {what}: {way_out}")
