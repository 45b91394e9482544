"""`python -m segdata`, and so `torchrun -m segdata`."""

from __future__ import annotations

from segdata.cli import main

if __name__ == "__main__":
    main(prog_name="segdata")
