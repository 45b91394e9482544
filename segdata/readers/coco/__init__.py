"""COCO: instances (polygons and run lengths), LVIS, and panoptic (JSON + PNG)."""
