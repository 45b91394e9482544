"""Models, losses, training, checkpoints and prediction: the only folder that may import torch."""
