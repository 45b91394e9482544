"""A vector of eight float32 values (lanes), a type that numba does not have, with `load`, `store` and arithmetic.

It is for loops over classes: a few dozen are too few for LLVM's loop vectoriser, which would take them one by one. LLVM maps
the eight lanes to the vectors of whatever processor it compiles for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import register_model

from segdata.kernels import kernel

LANES = 8

_F = ir.FloatType()

_V = ir.VectorType(_F, LANES)

_I = ir.VectorType(ir.IntType(32), LANES)


intrinsic: Callable[[Any], Callable[..., Any]] = numba_intrinsic
"""Numba's `intrinsic`, typed as callers see it: they do not pass the typing context."""


class _Vector(types.Type):
    """The vector's type in numba."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """The vector's type in LLVM."""

    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, _V)  # type: ignore[no-untyped-call]


vector = _Vector()


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_V, [ir.Constant(_F, value)] * LANES)


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call an LLVM intrinsic, which is declared if need be."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)


def _place(context: Any, builder: Any, array: Any, values: Any, index: Any) -> Any:
    """A pointer to eight values from values[index] on."""
    data = context.make_array(array)(context, builder, values).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(_V))


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Load lanes from array[index : index + 8] of a contiguous (N,) float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature.args[0], *arguments), align=4)

    return vector(array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Store lanes into array[index : index + 8] of a contiguous (N,) float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, at, lanes = arguments
        builder.store(lanes, _place(context, builder, signature.args[0], values, at), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def same(typing: Any, value: Any) -> Any:
    """Eight lanes, all equal to one float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = builder.insert_element(ir.Constant(_V, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, ir.Constant(_V, ir.Undefined), ir.Constant(_I, [0] * LANES))

    return vector(types.float32), code


@intrinsic
def add(typing: Any, a: Any, b: Any) -> Any:
    """a + b."""
    return vector(vector, vector), lambda context, builder, signature, ab: builder.fadd(*ab)


@intrinsic
def times(typing: Any, a: Any, b: Any) -> Any:
    """a b."""
    return vector(vector, vector), lambda context, builder, signature, ab: builder.fmul(*ab)


@intrinsic
def plus(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a + b c, rounded once if the processor can."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, c = arguments
        return _call(builder, "llvm.fmuladd.v8f32", _V, [b, c, a])

    return vector(vector, vector, vector), code


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:
    """The larger of a and b, lane by lane; b if either is NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return vector(vector, vector), code


@intrinsic
def largest(typing: Any, lanes: Any) -> Any:
    """The largest of the lanes."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _folded(builder, arguments[0], lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))

    return types.float32(vector), code


@intrinsic
def total(typing: Any, lanes: Any) -> Any:
    """The sum of the lanes, always in the same order."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _folded(builder, arguments[0], builder.fadd)

    return types.float32(vector), code


def _folded(builder: Any, lanes: Any, join: Any) -> Any:
    """Join the upper half with the lower half until one lane is left."""
    for half in (4, 2, 1):
        mask = ir.Constant(_I, [(lane + half) % LANES for lane in range(LANES)])
        lanes = join(lanes, builder.shuffle_vector(lanes, lanes, mask))
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))


@intrinsic
def _power_of_two(typing: Any, x: Any) -> Any:
    """2^x for whole x from -126 to 127."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        n = builder.fptosi(arguments[0], _I)
        biased = builder.add(n, ir.Constant(_I, [127] * LANES))
        return builder.bitcast(builder.shl(biased, ir.Constant(_I, [23] * LANES)), _V)

    return vector(vector), code


@intrinsic
def _whole(typing: Any, x: Any) -> Any:
    """The nearest whole number to each lane."""
    return vector(vector), lambda context, builder, signature, x: _call(builder, "llvm.rint.v8f32", _V, list(x))


@intrinsic
def _where_above(typing: Any, x: Any, limit: Any, lanes: Any) -> Any:
    """The lanes where x > limit, 0 elsewhere."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, limit, lanes = arguments
        return builder.select(builder.fcmp_ordered(">", x, limit), lanes, _constant(0.0))

    return vector(vector, vector, vector), code


@kernel
def exp(x: Any) -> Any:
    """e^x of lanes <= 0, within 2 units in the last place. The result is 0 for x <= -64: denormal numbers would be slow later.

    Computed as 2^n e^r with whole n and |r| <= ln 2 / 2, e^r by its Taylor series: the first omitted term is below 6e-9.
    """
    bounded = larger(x, same(np.float32(-80)))
    n = _whole(times(bounded, same(np.float32(1.4426950408889634))))
    r = plus(bounded, n, same(np.float32(-0.693359375)))  # ln 2 in two parts, n times the first is exact
    r = plus(r, n, same(np.float32(2.1219444005469057e-4)))
    series = same(np.float32(1 / 5040))
    series = plus(same(np.float32(1 / 720)), series, r)
    series = plus(same(np.float32(1 / 120)), series, r)
    series = plus(same(np.float32(1 / 24)), series, r)
    series = plus(same(np.float32(1 / 6)), series, r)
    series = plus(same(np.float32(1 / 2)), series, r)
    series = plus(same(np.float32(1)), series, r)
    series = plus(same(np.float32(1)), series, r)
    return _where_above(x, same(np.float32(-64)), times(series, _power_of_two(n)))
