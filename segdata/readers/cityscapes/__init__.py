"""Cityscapes: street scenes, labelled finely (gtFine) or coarsely (gtCoarse)."""
