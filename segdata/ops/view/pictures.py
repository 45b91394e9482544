"""Images and masks for the page: small ones for the grid, tiles of large ones."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.ops.view.answers import Refusal, answer
from segdata.ops.view.layers import Layer, layer_of
from segdata.ops.view.session import Session
from segdata.ops.view.thumbnails import thumbnail
from segdata.ops.view.tiles import Tiles

KEPT = {"cache-control": "private, max-age=3600"}

PASSING = {"cache-control": "no-store"}


def routes(session: Session) -> list[Route]:
    """Small images and masks, the levels of large ones, and their tiles."""
    tiles = Tiles()
    session.ends.append(tiles.close)

    def image(request: Request) -> Response:
        return small(request, layer_of(session, row_of(request), "image"))

    def mask(request: Request) -> Response:
        return small(request, layer_of(session, row_of(request), request.query_params.get("of", "truth")))

    def levels(request: Request) -> Response:
        sample = session.sample(row_of(request))
        shown = ["image"] * (sample.image is not None) + ["truth"]
        shown += [str(i) for i, places in enumerate(session.index.preds) if places[row_of(request)] >= 0]
        return answer(tiles.levels(*sample.size, [layer_of(session, row_of(request), of) for of in shown]))

    def tile(request: Request) -> Response:
        layer = layer_of(session, row_of(request), request.query_params.get("of", "image"))
        data, whole = tiles.tile(layer, number(request, "level"), number(request, "y"), number(request, "x"))
        return Response(data, headers=layer.headers | (KEPT if whole else PASSING), media_type=layer.media)

    return [
        Route("/api/image/{row:int}", image),
        Route("/api/mask/{row:int}", mask),
        Route("/api/levels/{row:int}", levels),
        Route("/api/tile/{row:int}", tile),
    ]


def small(request: Request, layer: Layer) -> Response:
    """A layer in small."""
    data = thumbnail(layer, max(1, number(request, "size", 256)))
    return Response(data, headers=layer.headers | KEPT, media_type=layer.media)


def row_of(request: Request) -> int:
    """The number of the sample."""
    return int(request.path_params["row"])


def number(request: Request, name: str, default: int = 0) -> int:
    """A whole number of the query, 0 or more. Raises `Refusal`."""
    given = request.query_params.get(name, str(default))
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise Refusal(422, "number", f"{name}={given[:20]}: must be a whole number")
    return int(given)
