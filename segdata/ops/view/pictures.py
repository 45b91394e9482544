"""Images and masks for the page: small ones for the grid, tiles of large ones."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.ops.view.answers import answer, row_of, whole
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
        row = row_of(request)
        sample = session.sample(row)
        shown = ["image"] * (sample.image is not None) + ["truth"]
        shown += [str(i) for i, places in enumerate(session.index.preds) if places[row] >= 0]
        return answer(tiles.levels(*sample.size, [layer_of(session, row, of) for of in shown]))

    def tile(request: Request) -> Response:
        layer = layer_of(session, row_of(request), request.query_params.get("of", "image"))
        level, y, x = (whole(request.query_params, name, 0) for name in ("level", "y", "x"))
        data, stays = tiles.tile(layer, level, y, x)
        return Response(data, headers=layer.headers | (KEPT if stays else PASSING), media_type=layer.media)

    return [
        Route("/api/image/{row}", image),
        Route("/api/mask/{row}", mask),
        Route("/api/levels/{row}", levels),
        Route("/api/tile/{row}", tile),
    ]


def small(request: Request, layer: Layer) -> Response:
    """A layer in small."""
    data = thumbnail(layer, max(1, whole(request.query_params, "size", 256)))
    return Response(data, headers=layer.headers | KEPT, media_type=layer.media)
