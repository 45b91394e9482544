"""Large images into tiles: a dataset whose samples know their parent and their window in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.inputs import Inputs
from segdata.dataset.job import made_of, resumable
from segdata.dataset.sample import Images, Sample
from segdata.errors import OptionError, Problem, one_of
from segdata.executors.run import Run
from segdata.files.places import absolute, place
from segdata.files.reading import Alpha, told
from segdata.files.tiff import Compress
from segdata.files.values import span_given
from segdata.ops.tile.job import Tiling, anything_is
from segdata.ops.tile.rare import Wanted, find_centres, window_about
from segdata.ops.tile.scales import find_scales, wanted_size
from segdata.tiling.area import Area, refuse_area
from segdata.tiling.cut import Format, Keep, Padding, Target, Task, Tiled
from segdata.tiling.plan import check_options, foreground_of, pair, plan, source_pixels, strides, tasks_of
from segdata.tiling.retype import Dtype, Retype
from segdata.windows import Window


def tile(
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    size: int | tuple[int, int] = 512,
    stride: int | tuple[int, int] | None = None,
    overlap: float | tuple[int, int] = 0,
    scale: float = 1.0,
    mpp: float | None = None,
    gsd: float | None = None,
    pad: Padding = "zero",
    format: Format = "auto",
    quality: int = 95,
    compress: Compress = "deflate",
    nodata: float | None = None,
    bands: str | None = None,
    alpha: Alpha = "auto",
    dtype: Dtype | None = None,
    scale_values: Sequence[float] = (),
    min_valid: float = 0.0,
    min_foreground: float = 0.0,
    keep_empty: float = 1.0,
    background: str | None = None,
    min_tiles_per_class: int = 0,
    aoi: str | Path | None = None,
    aoi_crs: str | None = None,
    aoi_layer: str | None = None,
    virtual: bool = False,
    vrt: bool = False,
    subdataset: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Cut the images and masks of a dataset into tiles, in a new dataset.

    The last tile of a row or column shifts inward. Windows are whole pixels of the parent. Kept are tiles that `min_valid`,
    `min_foreground` and `keep_empty` let pass.

    Virtual tiles give the same pixels. TIFFs are read by windows; of a PNG or JPEG one that is read by itself
    (`Dataset.read_mask`) costs the whole file, or the rows down to it if that is of more than 67 megapixels. Stitching
    reads a file once, training holds what is decoded, up to that size: tiles of larger PNGs are better written.

    Tiling that was stopped goes on where it was.

    Raises `OptionError`, `DataError` for the first bad image or mask (`run.report` may skip instead: all tiles of such
    images are then left out), and `DatasetError` for the destination.

    Args:
        dataset: The dataset, or its folder.
        destination: The folder of the new dataset.
        size: The size of a tile in pixels, or its height and width.
        stride: Pixels from one tile to the next, instead of `overlap`.
        overlap: Pixels that neighbouring tiles share, or below 1 the share of the size.
        scale: Resample first by this factor: images by area, masks to the nearest. 0.5 halves.
        mpp: Resample each slide to so many microns per pixel, by a factor of its own. Slides within 1 % of it stay as they are.
        gsd: The same in metres per pixel on the ground, for images with coordinates.
        pad: What fills up an image smaller than a tile, at the bottom and right: zero, or reflect (masks: ignored pixels);
            keep leaves it as it is.
        format: The format of the tiles' images. auto is GeoTIFF for what has coordinates, or scale and offset, or is not
            8-bit RGB, otherwise PNG.
        quality: The quality of JPEGs.
        compress: The compression of TIFFs.
        nodata: Pixels of this value in every band become ignored; may be nan. By default the file's own value or alpha says.
        bands: Read only these bands of the images, in this order: numbers from 1 on (3,2,1), or names in the files (B4,B3,B2).
            If the dataset reads some bands already, numbers count those.
        alpha: Whether the last band is transparency (yes) or data (no). auto: as the dataset says, or as it looks.
        dtype: Write the tiles' images in this type. LOW of `scale_values` becomes 0, and HIGH becomes 1 (in uint8 255, in uint16
            65535). Values beyond are clipped, and counted. Scale and offset in the files are applied first. Pixels without
            data become 0 in whole numbers (the darkest others 1, if the image has a nodata value), and NaN in float32.
        scale_values: LOW,HIGH: the values that become 0 and 1. By default 0 and the largest value of 8 and 16 bits; float32
            keeps its values.
        min_valid: Keep tiles with at least this share of pixels that are not ignored.
        min_foreground: Keep tiles with at least this share of foreground.
        keep_empty: Keep this share of the tiles without foreground, drawn by `seed`.
        background: The class that is not foreground, by default the one called background.
        min_tiles_per_class: If fewer tiles hold a class, cut more around pixels of it, while there are any.
        aoi: A file of polygons, in GeoJSON or another format of `convert vector`. Pixels outside become ignored. Polygons that
            are on no image are an error.
        aoi_crs: The coordinate system of `aoi`: EPSG:..., or pixel. By default what the file says, or else longitude and
            latitude, or pixel for images without coordinates.
        aoi_layer: The layer of `aoi` to read, if it has several.
        virtual: Write no images: samples are windows of the whole files. Not for training on PNGs of more than 67
            megapixels.
        vrt: Read images that are VRTs. Their sources must lie below the folder of the VRT.
        subdataset: Read this image of files that hold several (NetCDF, HDF5, Zarr): its name there.
        seed: The seed of `keep_empty` and `min_tiles_per_class`.
        overwrite: Replace a dataset at `destination`.
    """
    dataset = Dataset.of(dataset).read_as(bands, alpha, vrt, subdataset)
    shape = pair(size, "--size")
    steps = strides(shape, stride, overlap)
    keep = Keep(min_valid, min_foreground, keep_empty, foreground_of(dataset.labels, background), seed)
    area = Area.given(aoi, aoi_crs, aoi_layer)
    root = place(destination)
    retype = retyping(dtype, scale_values, virtual)
    target = Target(
        replace(dataset, samples=(), made_by={}), root, shape, scale, pad, format, quality, compress, nodata, area, keep, virtual,
        retype,
    )  # fmt: skip
    check_options(target, min_tiles_per_class)
    wanted = wanted_size(scale, mpp, gsd)
    options: dict[str, object] = {
        "size": shape, "stride": steps, "scale": scale, "pad": pad, "format": None if virtual else format,
        "quality": quality, "compress": compress, "nodata": nodata, "min_valid": min_valid,
        "min_foreground": min_foreground, "keep_empty": keep_empty, "background": background,
        "min_tiles_per_class": min_tiles_per_class, "aoi_crs": aoi_crs, "virtual": virtual,
        **told(bands, alpha, vrt, subdataset),
        **({} if retype is None else {"dtype": retype.dtype, "scale_values": retype.span}),
        **({} if wanted is None else {wanted.option: wanted.size}),
        **({} if aoi_layer is None else {"aoi_layer": aoi_layer}),
    }  # fmt: skip
    made_by = made_of("tile", options, [dataset], seed)
    if area is not None:
        made_by["inputs"] += area.facts()
    images: Images = dataset.images if virtual or dataset.images == "none" else "copy"
    made = Dataset(root, dataset.labels, (), made_by, images, dataset.reading if virtual else dataset.reading.written())
    run = run or Run()
    found = dict.fromkeys((s.id for s in dataset), scale) if wanted is None else find_scales(dataset, wanted, run)
    scales = {id: one for id, one in found.items() if not isinstance(one, Problem)}
    tasks = list(plan(dataset, [s for s in dataset if s.id in scales], shape, steps, scales))
    given = {"source": absolute(dataset.root)}
    inputs = Inputs([dataset], [aoi if isinstance(aoi, str | Path) else None])
    if (whole := finished(made, inputs, overwrite=overwrite)) is not None:
        return whole
    there = anything_is if virtual else None
    with resumable(made, Tiled, given, inputs, is_there=there, overwrite=overwrite, run=run) as job:
        tiling = Tiling(dataset, replace(target, root=job.root), job, scales)
        for id, one in found.items():
            if isinstance(one, Problem):
                job.fail(id, one)
        tiling.cut(tasks)
        if area is not None and tiling.all_outside():
            refuse_area(area.features, area.file, dataset, aoi_crs)
        if min_tiles_per_class:
            add_rare(tiling, tasks, shape, min_tiles_per_class, seed)
        return tiling.save(min_tiles_per_class, wanted is not None)


def retyping(dtype: Dtype | None, scale_values: Sequence[float], virtual: bool) -> Retype | None:
    """In which type tiles are written; None for that of their images. Raises `OptionError`."""
    span = span_given(scale_values)
    if dtype is None:
        if span is not None:
            raise OptionError("--scale-values: into which type? Give --dtype uint8, uint16 or float32 too")
        return None
    one_of("dtype", dtype, Dtype)
    if virtual:
        raise OptionError("--dtype: virtual tiles are windows of the files as they are: leave out --virtual")
    return Retype(dtype, span)


def add_rare(tiling: Tiling, tasks: Sequence[Task], size: tuple[int, int], wanted: int, seed: int) -> None:
    """Cut more tiles for every class that fewer than `wanted` tiles hold, the rarest first, about pixels drawn by `seed`."""
    taken = {(task.sample.id, window) for task in tasks for window in task.windows}
    holders = _holders(tiling)
    names = sorted((holders[label.id], label.id) for label in tiling.source.labels.classes)
    for _, class_id in names:
        missing = wanted - _holders(tiling)[class_id]
        having = [s for s in tiling.source if s.counts.get(class_id) and s.id in tiling.scales]
        if missing <= 0 or not having:
            continue
        found = _windows(tiling, having, class_id, size, missing, seed)
        fresh = [(sample, window) for sample, window in found if (sample.id, window) not in taken]
        while missing > 0 and fresh:
            part, fresh = fresh[:missing], fresh[missing:]
            taken.update((sample.id, window) for sample, window in part)
            before = _holders(tiling)[class_id]
            tiling.cut(_extra_tasks(tiling, part, class_id))
            added = _holders(tiling)[class_id] - before
            tiling.extra[class_id] += added
            missing -= added


def _windows(
    tiling: Tiling, samples: Sequence[Sample], class_id: int, size: tuple[int, int], count: int, seed: int
) -> list[tuple[Sample, Window]]:
    """Windows about pixels of a class, one of each sample in turn, none twice."""
    asked = [Wanted(sample, class_id, 2 * count, seed) for sample in sorted(samples, key=lambda s: s.id)]
    columns: list[list[tuple[Sample, Window]]] = []
    for wanted, centres in tiling.job.run.map(partial(find_centres, target=tiling.target), asked):
        if isinstance(centres, Problem):
            tiling.job.fail(wanted.sample.id, centres)
        else:
            sample = wanted.sample
            pixels = source_pixels(size, tiling.scales[sample.id])
            columns.append([(sample, window_about(c, pixels, sample.size)) for c in centres])
    turns = max(map(len, columns), default=0)
    in_turn = [column[i] for i in range(turns) for column in columns if i < len(column)]
    return list({(sample.id, window): (sample, window) for sample, window in in_turn}.values())


def _extra_tasks(tiling: Tiling, windows: Sequence[tuple[Sample, Window]], class_id: int) -> list[Task]:
    by_sample: dict[str, list[Window]] = {}
    samples = {sample.id: sample for sample, _ in windows}
    for sample, window in windows:
        by_sample.setdefault(sample.id, []).append(window)
    tasks = []
    for id, some in sorted(by_sample.items()):
        for number, part in enumerate(tasks_of(tiling.source, samples[id], sorted(some))):
            first = part[0]
            name = f"{id}#{class_id}/{first.y}/{first.x}/{number}"
            tasks.append(Task(name, samples[id], part, extra=True, scale=tiling.scales[id]))
    return tasks


def _holders(tiling: Tiling) -> Counter[int]:
    """How many tiles hold each value."""
    return Counter(value for line in tiling.tiles for value in line.counts)
