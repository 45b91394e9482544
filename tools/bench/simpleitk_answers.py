"""SimpleITK's STAPLE of several classes, in an environment of its own: `simpleitk_answers.py IN.npz OUT`. Each line is a case;
the answer is the seconds that it took.

IN holds masks-N (R, H, W) uint8. OUT-N.npy gets the labels of the first answer. Seconds are processor time of one thread.
"""

import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # type: ignore[import-not-found, unused-ignore]


def main(source: str, out: str) -> None:
    """Answer each line of the input."""
    data = np.load(source)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    cases = [[sitk.GetImageFromArray(mask) for mask in data[f"masks-{n}"]] for n in range(len(data.files))]
    for line in sys.stdin:
        start = time.process_time()
        labels = sitk.MultiLabelSTAPLE(cases[int(line)])
        seconds = time.process_time() - start
        path = Path(f"{out}-{int(line)}.npy")
        if not path.exists():
            np.save(path, sitk.GetArrayFromImage(labels))
        print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
