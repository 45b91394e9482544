"""Cityscapes: label ids, train ids and colours as PNGs, and polygons, beside the images."""
