"""Tar shards as WebDataset has them: those of `segdata export webdataset`, and any with an image and a mask a sample."""
