"""Scores of any model, .npy or .npz files named as the samples of a dataset (--like), as predictions with scores."""
