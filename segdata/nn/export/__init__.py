"""Models as files for other programs: ONNX and torch.export, compared with the checkpoint on real images."""
