"""Masks in and out with Datumaro, in its own environment. `datumaro_masks.py FORMAT SRC OUT`."""

import sys

from datumaro import Dataset  # type: ignore[import-not-found, unused-ignore]


def main(format: str, source: str, out: str) -> None:
    """Import SOURCE and export it in the same format, masks as indices, without images."""
    more = {"apply_colormap": False} if format != "camvid" else {}
    Dataset.import_from(source, format).export(out, format, save_media=False, **more)


if __name__ == "__main__":
    main(*sys.argv[1:])
