"""Forward and backward passes of the models, side by side with those of segmentation_models_pytorch and torchvision.

    python tools/bench/bench_models.py [--quick] [--record]

Prints a section of Markdown; `--record` puts it into RESULTS.md. Both sides run on the torch of an environment of the peers' own,
which tools/bench/peers.sh makes (5.5 GB), in one process a pair.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess

from measure import BUILD, HERE, QUICK, Sizes, Times, say
from models_beside import PAIRS
from results import Target, machine, peer_versions, record, table

TITLE = "Models, forward and backward"
BATCH = 2


def measure(pair: str, rounds: int) -> tuple[Times, Times, dict[str, int], str]:
    """The times of ours and theirs, the parameters of each, and what they ran on."""
    python = BUILD / "segmentation-models-pytorch/bin/python"
    command = [python, HERE / "models_beside.py", pair, str(rounds), str(BATCH)]
    env = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, env=env)
    found = json.loads(done.stdout)
    ours, theirs = (Times(tuple(found["seconds"][name])) for name in ("ours", "theirs"))
    return ours, theirs, found["parameters"], f"torch {found['torch']} of the peers"


def main() -> None:
    """Measure every pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, for trying the bench itself")
    parser.add_argument("--record", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    if given.quick and given.record:
        parser.error("--quick measures nothing worth recording")
    rounds = 2 if given.quick else 4 * Sizes().rounds - 1
    head = f"`python tools/bench/bench_models.py`, {machine(peer_versions())}"
    rows, targets, where = [], [], ""
    for pair in PAIRS:
        say(pair)
        ours, theirs, parameters, where = measure(pair, QUICK.rounds if given.quick else rounds)
        millions = [f"{parameters[name] / 1e6:.2f}" for name in ("ours", "theirs")]
        rows.append([pair, *millions, ours.show(digits=3), theirs.show(digits=3), f"{ours.over(theirs):.2f}"])
        targets.append(str(Target(f"{pair}, over its counterpart", ours.over(theirs), 1.1, at_most=True)))
    told = (
        f"Seconds of the processor for a forward and a backward pass in training mode, one thread, batch {BATCH} of 256 x 256, "
        f"float32, on {where}; the pair "
        f"in one process, in turn, {rounds} rounds, median (least to most). The counterparts are torchvision's where the stride "
        "is 8, else segmentation_models_pytorch's. They differ in details: there the decoder enlarges to the nearest and the "
        "classifier is 3x3 (U-Net); the decoder's second convolution stands at stride 16, not at 4 as in the paper "
        "(v3+; measured both ways)."
    )
    columns = "model | M parameters | theirs | seconds | theirs (s) | over theirs"
    lines = [head, "", told, "", *table(columns, rows), "", *targets]
    print(f"## {TITLE}", "", *lines, "", sep="\n", flush=True)
    if given.record:
        record(TITLE, lines)


if __name__ == "__main__":
    main()
