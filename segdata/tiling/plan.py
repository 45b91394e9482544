"""Which windows are cut, and in which tasks: sizes, strides and grids. Options are checked before anything is read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem, one_of
from segdata.files.file import access_to
from segdata.files.limits import MAX_PIXELS
from segdata.files.tiff import Compress
from segdata.files.views import View
from segdata.labels import BACKGROUND, Labels
from segdata.tiling.cut import Format, Padding, Target, Task
from segdata.windows import Window, grid

STRIP = 2**24
"""About how many pixels of an image are held at a time: wider images are cut in blocks of columns."""

TASK = 64
"""About how many tiles a task has: enough to be worth sending, few enough to show progress and to lose little if killed."""


MANY = 2**22
"""So many tiles of one image are planned at most: 4 million."""


def pair(value: int | tuple[int, int], name: str) -> tuple[int, int]:
    """(height, width) of an option that is one number for both, or a pair. Raises `OptionError` unless both are 1 or more."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or min(both) < 1:
        raise OptionError(f"{name} {show(value)}: must be 1 or more pixels, one number or HEIGHTxWIDTH")
    return both[0], both[1]


def show(value: float | tuple[int, ...]) -> str:
    """The text of a number, or of several as in `512x256`."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


def strides(
    size: tuple[int, int], stride: int | tuple[int, int] | None, overlap: float | tuple[int, int]
) -> tuple[int, int]:
    """The step (y, x) from one tile to the next. Raises `OptionError` if pixels would be missed, or if the step would be 0."""
    if stride is not None:
        if overlap:
            raise OptionError("--stride and --overlap exclude each other: the stride is the size minus the overlap")
        steps = pair(stride, "--stride")
        if steps[0] > size[0] or steps[1] > size[1]:
            raise OptionError(f"--stride {show(steps)}: more than --size {show(size)}, so pixels would be missed")
        return steps
    if isinstance(overlap, tuple):
        both = overlap
    elif isinstance(overlap, int):
        both = overlap, overlap
    else:
        if not 0 <= overlap < 1:
            raise OptionError(f"--overlap {overlap:g}: a share must be 0 or more and below 1")
        both = math.floor(overlap * size[0]), math.floor(overlap * size[1])
    if min(both) < 0 or both[0] >= size[0] or both[1] >= size[1]:
        raise OptionError(f"--overlap {show(overlap)}: must be 0 or more and less than --size {show(size)}")
    return size[0] - both[0], size[1] - both[1]


def foreground_of(labels: Labels, background: str | None) -> tuple[int, ...]:
    """The ids of all classes but the background. Raises `OptionError` for an unknown class."""
    name = BACKGROUND if background is None else labels.names[labels.id(background)]
    return tuple(label.id for label in labels.classes if label.name != name)


def check_options(target: Target, wanted: int) -> None:
    """Check the options. Raises `OptionError` for values out of range, and for options that exclude each other."""
    keep = target.keep
    if not 0 < target.scale <= 64:
        raise OptionError(f"--scale {target.scale:g}: must be above 0, and at most 64")
    one_of("pad", target.pad, Padding)
    one_of("format", target.format, Format)
    one_of("compress", target.compress, Compress)
    if target.pad != "keep" and target.size[0] * target.size[1] > MAX_PIXELS:
        what = f"a tile has more pixels than the limit of {MAX_PIXELS} (SEGDATA_MAX_PIXELS sets it)"
        raise OptionError(f"--size {show(target.size)}: {what}: choose a smaller size, or --pad keep for whole images")
    if not 1 <= target.quality <= 100:
        raise OptionError(f"--quality {target.quality}: must be 1 to 100")
    shares = {"min-valid": keep.min_valid, "min-foreground": keep.min_foreground, "keep-empty": keep.keep_empty}
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise OptionError(f"--{name} {share:g}: must be from 0 to 1")
    if wanted < 0:
        raise OptionError(f"--min-tiles-per-class {wanted}: must be 0 or more")


def source_pixels(target_pixels: tuple[int, int], scale: float) -> tuple[int, int]:
    """How many pixels (y, x) of the source become `target_pixels` after scaling; always enough to fill them."""
    y, x = (max(1, math.ceil(n / scale - 1e-9)) for n in target_pixels)
    return y, x


def plan(
    dataset: Dataset,
    samples: Iterable[Sample],
    size: tuple[int, int],
    steps: tuple[int, int],
    scales: Mapping[str, float],
) -> Iterator[Task]:
    """The tasks for all windows of a grid, by sample, then from the top; `scales` of samples by their ids.

    Raises `DataError` for samples that are tiles and cannot be cut again, and for more than `MANY` tiles of one.
    """
    for sample in sorted(samples, key=lambda s: s.id):
        scale = scales[sample.id]
        source_size = source_pixels(size, scale)
        stride = tuple(min(max(1, round(n / scale)), most) for n, most in zip(steps, source_size, strict=True))
        refuse_again(sample, scale)
        refuse_many(sample, (stride[0], stride[1]))
        windows = grid(*sample.size, source_size, (stride[0], stride[1]))
        for number, part in enumerate(tasks_of(dataset, sample, windows)):
            yield Task(f"{sample.id}#{number}", sample, part, scale=scale)


def tasks_of(dataset: Dataset, sample: Sample, windows: Sequence[Window]) -> list[tuple[Window, ...]]:
    """Windows in order, in groups that make a task each; a file without random access makes only one task."""
    if len(windows) <= TASK or not _quick(dataset, sample):
        return [tuple(windows)]
    across = max(1, STRIP // (windows[0].height * windows[0].width))
    places = {x: i // across for i, x in enumerate(sorted({w.x for w in windows}))}
    blocks: dict[int, dict[int, list[Window]]] = defaultdict(lambda: defaultdict(list))
    for window in windows:
        blocks[places[window.x]][window.y].append(window)
    parts: list[tuple[Window, ...]] = []
    for rows in blocks.values():
        part: list[Window] = []
        for row in rows.values():
            part += row
            if len(part) >= TASK:
                parts.append(tuple(part))
                part = []
        if part:
            parts.append(tuple(part))
    return parts


def refuse_many(sample: Sample, stride: tuple[int, int]) -> None:
    """Raise `DataError` for an image that would be more tiles than memory holds, as one of a false size is."""
    tiles = math.ceil(sample.height / stride[0]) * math.ceil(sample.width / stride[1])
    if tiles > MANY:
        what = (
            f"its {sample.width} x {sample.height} pixels (width x height) would be {tiles:,} tiles, more than {MANY:,}"
        )
        message = f"{what}: choose a larger --size or --stride, or correct its size in the manifest"
        raise DataError(Problem("tile.many", message, sample=sample.id))


def refuse_again(sample: Sample, scale: float) -> None:
    """Refuse a tile whose pixels are not those of the image that it was cut from. Raises `DataError`."""
    if sample.tiling is None or sample.window is None:
        return
    view = View(sample.window, sample.size, sample.tiling.scale, sample.tiling.pad)
    if sample.tiling.scale != 1 or scale != 1 or view.content != sample.size:
        message = "a tile that was scaled or padded, or that would be scaled, cannot be tiled: tile the original image"
        raise DataError(Problem("tile.again", message, sample=sample.id))


def _quick(dataset: Dataset, sample: Sample) -> bool:
    """Whether any window of a sample can be read without reading the rows above it."""
    paths: list[str] = [str(dataset.inside(sample.mask))]
    if sample.image is not None and dataset.images != "none":
        paths.append(dataset.image_path(sample))
    try:
        return all(access_to(path) == "windows" for path in paths)
    except DataError:
        return False  # a missing file is reported when it is read
