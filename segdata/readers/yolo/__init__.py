"""Ultralytics YOLO segmentation: `data.yaml`, images, and `labels/*.txt` with one outline per line."""
