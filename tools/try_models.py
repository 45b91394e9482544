"""Train one step of every model with every encoder, on a small image of an odd size.

    python tools/try_models.py [MODEL ...]

Prints one line per pair: parameters, seconds of the step, and whether the loss is finite, every parameter has a gradient, and the
logits are as large as the image. Exits 1 if any check fails. CI tests each architecture and encoder once; this tests all pairs.
"""

from __future__ import annotations

import sys
import time

import torch

from segdata.nn import losses
from segdata.nn.models import ENCODERS, MODELS, build
from segdata.nn.models.base import AUXILIARY_WEIGHT

SIZE = (50, 71)


def step(model: str, encoder: str) -> tuple[int, float, list[str]]:
    """Train one step. Returns parameters, seconds, and what is wrong."""
    torch.manual_seed(0)
    net = build(model, encoder=encoder, bands=4, classes=5).train()
    target = torch.randint(0, 5, (2, *SIZE))
    target[:, :9] = 255
    loss = losses.build("ce+dice", classes=5, ignore=255)
    start = time.perf_counter()
    logits = net(torch.randn(2, 4, *SIZE))
    total = loss(logits, target)
    for extra in net.auxiliary:
        total = total + AUXILIARY_WEIGHT * loss(extra, target)
    total.backward()  # type: ignore[no-untyped-call]
    seconds = time.perf_counter() - start
    wrong = [] if logits.shape == (2, 5, *SIZE) else [f"logits {tuple(logits.shape)}"]
    wrong += [] if total.isfinite() else [f"loss {total.item()}"]
    wrong += [f"no gradient: {name}" for name, p in net.named_parameters() if p.grad is None]
    return sum(p.numel() for p in net.parameters()), seconds, wrong


def main(models: list[str]) -> int:
    """Try every named model, or all, with every encoder."""
    failed = 0
    for model in models or MODELS:
        for encoder in ENCODERS:
            parameters, seconds, wrong = step(model, encoder)
            failed += bool(wrong)
            print(
                f"{model:14} {encoder:13} {parameters:12,} {seconds:6.2f} s  {'; '.join(wrong[:3]) or 'ok'}", flush=True
            )
    print(f"{failed} failed" if failed else "all ok")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
