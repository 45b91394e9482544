"""Ultralytics YOLO segmentation: `data.yaml`, images, and `labels/*.txt` with one polygon per region."""
