"""Dense conditional random fields (CRF): they move the borders between classes towards the edges in the image.

Krähenbühl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials" (2011), with the symmetric
normalisation of their paper of 2013 ("Parameter learning and convergent inference for dense random fields"). Filters run on
the permutohedral lattice (`segdata.kernels.lattice`), which approximates a Gaussian. pydensecrf does the same, and the labels
are equal. Compared with exact sums over all pairs of points, marginals differ by 0.005 on average if images are larger than the
Gaussians (tests/refinement/test_crf.py), and by up to 0.06 on images of a few hundred pixels with the default settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.kernels import lattice as kernels
from segdata.kernels.vector import LANES
from segdata.labels import Mask
from segdata.refinement.lattice import Crew, Floats, Lattice, Shelf, aligned, crew, cut

Compat = float | NDArray[np.floating[Any]]
"""How classes compete: a weight w > 0 (Potts: similar points should have the same class), or a symmetric (K, K) penalty."""

LEAST = 1e-5
"""Smaller unary probabilities are raised to this one, so that every class stays possible."""

SLACK = 1e-2
"""How far a probability may lie outside 0 to 1 because of rounding, for example in half precision."""

PIECE = 8192
"""Vertices that a thread takes at a time if classes compete by a matrix. No result depends on it."""

FARTHEST = 1e5
"""The largest feature, in standard deviations: float32 can tell places in the lattice apart up to there."""


@dataclass(frozen=True, slots=True)
class Potential:
    """A pairwise term: (N, D) float32 `features`, in standard deviations of its Gaussian, and how classes compete under it."""

    features: Floats
    compat: Compat


def dense_crf(
    image: NDArray[Any],
    probs: NDArray[np.floating[Any]],
    *,
    iterations: int = 10,
    gaussian_sxy: float | Sequence[float] = 3,
    gaussian_compat: Compat = 3,
    bilateral_sxy: float | Sequence[float] = 80,
    bilateral_srgb: float | Sequence[float] = 13,
    bilateral_compat: Compat = 10,
    threads: int | None = None,
    shelf: Shelf | None = None,
) -> Floats:
    """Refine (K, H, W) `probs` with their (H, W, C) `image` -> (K, H, W) float32, which sum to 1 over K.

    `gaussian_compat` is the weight of smoothness over `gaussian_sxy` pixels. `bilateral_compat` is the weight of smoothness
    among pixels that are near each other (`bilateral_sxy` pixels) and similar (`bilateral_srgb` of the image's values). Sizes
    are standard deviations: one number, or one for each of (y, x) and one for each band. A weight of 0 leaves a term out; a
    (K, K) matrix penalises each pair of classes. The image may have any number of bands, of any dtype.

    `threads` (None: NUMBA_NUM_THREADS, or every core) do not change the result. Memory: about 150 + 8 K bytes per pixel.
    With the `shelf` of an earlier call, the lattice is not made again if image and sizes are the same; a `shelf` keeps about
    100 bytes per pixel.
    Raises `OptionError` for arrays that do not fit together, probabilities that are not finite or not within 0 to 1, and
    sizes that are not positive.
    """
    if probs.ndim != 3 or image.ndim != 3 or image.shape[:2] != probs.shape[1:] or 0 in (*image.shape, *probs.shape):
        shapes = f"image {image.shape}, probs {probs.shape}"
        raise OptionError(f"{shapes}: must be (H, W, C) and (K, H, W), of the same H and W, none of them 0")
    classes, height, width = probs.shape
    place = np.indices((height, width), np.float32).reshape(2, -1).T
    potentials = []
    if np.any(gaussian_compat):
        near = _features(place, "gaussian_sxy", gaussian_sxy)[:, ::-1]  # x first, as in the reference
        potentials.append(Potential(near, gaussian_compat))
    if np.any(bilateral_compat):
        near = _features(place, "bilateral_sxy", bilateral_sxy)[:, ::-1]
        alike = _features(image.reshape(len(place), -1), "bilateral_srgb", bilateral_srgb)
        potentials.append(Potential(np.concatenate([near, alike], axis=1), bilateral_compat))
    flat = mean_field(probs.reshape(classes, -1), potentials, iterations=iterations, threads=threads, shelf=shelf)
    return flat.reshape(probs.shape)


def label_probs(mask: Mask, classes: int, ignore: int, *, certainty: float = 0.7) -> Floats:
    """(H, W) class ids -> (classes, H, W) float32: probabilities for `dense_crf` if there are no scores.

    A pixel's class has `certainty`, the others share the rest equally. If the pixel is `ignore`, all classes are equal. Raises
    `OptionError` for a certainty not between 0 and 1, and for ids that are no class.
    """
    if not 0 < certainty < 1:
        raise OptionError(f"certainty {certainty}: must lie between 0 and 1")
    known = mask != ignore
    if (foreign := mask[known & (mask >= classes)]).size:
        raise OptionError(
            f"value {foreign[0]}: is no class: there are 0 to {classes - 1}, and {ignore} for ignored pixels"
        )
    if classes == 1:
        return np.ones((1, *mask.shape), np.float32)
    out = np.full((classes, *mask.shape), (1 - certainty) / (classes - 1), np.float32)
    np.put_along_axis(out, np.where(known, mask, 0)[None].astype(np.int64), np.float32(certainty), axis=0)
    out[:, ~known] = 1 / classes
    return out


def mean_field(
    probs: NDArray[np.floating[Any]],
    potentials: Sequence[Potential],
    *,
    iterations: int = 10,
    threads: int | None = None,
    shelf: Shelf | None = None,
) -> Floats:
    """(K, N) unary `probs` -> (K, N) float32 marginals: mean field of any dense CRF, by algorithm 1 of the paper.

    Each potential's kernel is a Gaussian over its (N, D) features. Raises `OptionError` like `dense_crf`.
    """
    classes, points = probs.shape
    if iterations < 0 or iterations % 1:
        raise OptionError(f"{iterations} iterations: must be a whole number, 0 or more")
    for potential in potentials:
        if potential.features.ndim != 2 or len(potential.features) != points:
            raise OptionError(f"features {potential.features.shape}: must be (N, D) for {points} points")
        if not (np.abs(potential.features) <= FARTHEST).all():  # NaN fails as well
            raise OptionError(f"features beyond {FARTHEST:g} standard deviations: choose larger standard deviations")
    width = -(-classes // LANES) * LANES
    competing = [_competing(potential.compat, classes, width) for potential in potentials]
    with crew(threads) as team:
        lattice = (shelf or Shelf()).lattice([potential.features for potential in potentials], points, team)
        field = _Field(lattice, width, aligned(points * width), team)
        field.begin(probs)
        parts, *buffers = lattice.empty(width // LANES)
        steps = int(iterations) if potentials else 0
        for step in range(steps):
            field.update(parts, buffers[0], read=step > 0, spread=True)
            lattice.filtered(parts, [scale for scale, _ in competing], buffers, team)
            for axes, (_, matrix) in zip(lattice.axes, competing, strict=True):
                if matrix is not None:
                    team.each(partial(kernels.mix, buffers[0], matrix), cut(axes.first, axes.end, PIECE))
        field.update(parts, buffers[0], read=steps > 0, spread=False)
        return field.end(classes)


@dataclass(frozen=True, slots=True)
class _Field:
    """The state of mean field. `logs` (N width,) are the unary logarithms of each point's classes; at the end its marginals."""

    lattice: Lattice
    width: int
    logs: Floats
    crew: Crew

    def begin(self, probs: NDArray[np.floating[Any]]) -> None:
        """Fill `logs` from (K, N) probabilities."""

        def fill(points: slice) -> None:
            part = np.array(probs[:, points], np.float32, order="C")  # a copy: the caller's array does not change
            if not np.isfinite(part).all():
                raise OptionError("probabilities that are not finite: was the model's output divided by 0?")
            if part.size and not -SLACK <= part.min() <= part.max() <= 1 + SLACK:
                raise OptionError(f"probabilities of {part.min():g} to {part.max():g}: give those of a softmax, 0 to 1")
            np.log(np.clip(part, LEAST, 1, out=part), out=part)
            kernels.transpose_in(part, self._of(points), self.width)

        self.crew.each(fill, self.lattice.blocks)

    def update(self, parts: Floats, values: Floats, *, read: bool, spread: bool) -> None:
        """Do one step for all points, see the kernel of this name."""

        corners = (0,) * self.lattice.rows.shape[1]

        def step(share: tuple[slice, slice]) -> None:
            points, own = share
            rows, weights = self.lattice.rows[points].ravel(), self.lattice.weights[points].ravel()
            vertex = self.lattice.vertex[own]
            kernels.update(self._of(points), rows, weights, vertex, values, parts, own.start, corners, read, spread)

        self.crew.each(step, self.lattice.shares)

    def end(self, classes: int) -> Floats:
        """(K, N) marginals."""
        out = np.empty((classes, len(self.logs) // self.width), np.float32)
        self.crew.each(
            lambda points: kernels.transpose_out(self._of(points), out[:, points], self.width), self.lattice.blocks
        )
        return out

    def _of(self, points: slice) -> Floats:
        return self.logs[points.start * self.width : points.stop * self.width]


def _features(values: NDArray[Any], name: str, sizes: float | Sequence[float]) -> Floats:
    """(N, D) `values`, divided by standard deviations: one for all D, or one each. Raises `OptionError`."""
    of = np.asarray(sizes, np.float32)
    if of.shape not in ((), (values.shape[1],)) or not (np.isfinite(of) & (of > 0)).all():
        raise OptionError(f"{name} {sizes}: must be one positive number, or {values.shape[1]} of them")
    return np.divide(values.astype(np.float32), of, dtype=np.float32)


def _competing(compat: Compat, classes: int, width: int) -> tuple[float, Floats | None]:
    """The factors of filtered values: a number, then a (width, width) matrix or None. Raises `OptionError`."""
    if not np.isfinite(compat).all():
        raise OptionError(f"a compatibility of {compat}: must be finite")
    if np.ndim(compat) == 0:
        return float(compat), None
    penalty = np.asarray(compat, np.float32)
    if penalty.shape != (classes, classes) or not np.array_equal(penalty, penalty.T):
        raise OptionError(
            f"a compatibility of shape {penalty.shape}: must be one number, or a symmetric (K, K), K = {classes}"
        )
    matrix = np.zeros((width, width), np.float32)
    matrix[:classes, :classes] = -penalty
    return 1.0, matrix
