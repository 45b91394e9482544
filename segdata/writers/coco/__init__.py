"""COCO: how the labels of an image become annotations, and annotations files."""
