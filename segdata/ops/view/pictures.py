"""Images and masks for the page: small ones for the grid, tiles of large ones."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.files.colors import to_rgb
from segdata.files.images import encode_image
from segdata.files.png import encode_mask
from segdata.ops.view.answers import Refusal
from segdata.ops.view.session import Session

KEPT = {"cache-control": "private, max-age=3600"}


def routes(session: Session) -> list[Route]:
    """Small images and masks."""

    def image(request: Request) -> Response:
        sample = session.sample(int(request.path_params["row"]))
        if sample.image is None:
            raise Refusal(404, "image.none", f"{sample.id} has no image")
        with session.truth.open_image(sample) as raster:
            small = raster.reduced(_size(request, *sample.size))
            data = encode_image(to_rgb(small, nodata=raster.geo.nodata), "jpeg", 85)
        return Response(data, headers=KEPT, media_type="image/jpeg")

    def mask(request: Request) -> Response:
        row, of = int(request.path_params["row"]), request.query_params.get("of", "truth")
        sample = session.sample(row)
        dataset, sample = (session.truth, sample) if of == "truth" else session.pred(int(of), row)
        with dataset.open_mask(sample) as opened:
            data = encode_mask(opened.reduced(_size(request, *sample.size)))
        return Response(data, headers=KEPT, media_type="image/png")

    return [Route("/api/image/{row:int}", image), Route("/api/mask/{row:int}", mask)]


def _size(request: Request, height: int, width: int) -> tuple[int, int]:
    """(height, width) that fit into a square of `size`, never larger than the image."""
    scale = min(1.0, min(1024, int(request.query_params.get("size", 256))) / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
