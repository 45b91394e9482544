"""The speed of conversion, of reading masks, of opening manifests and of starting, side by side with peers.

    python tools/bench/bench_convert.py [coco | masks | read | full | startup | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data, and for
Datumaro an environment of its own, which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import table_coco
import table_files
import table_masks
from results import Measure, measure_tables

TABLES: dict[str, tuple[str, Measure]] = {
    "coco": ("COCO, masks only", table_coco.coco),
    "masks": ("VOC, pets, CamVid and Cityscapes, masks only", table_masks.masks),
    "read": ("Reading masks back", table_files.read),
    "full": ("COCO at full size", table_coco.full),
    "startup": ("Starting, and opening a manifest", table_files.startup),
}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
