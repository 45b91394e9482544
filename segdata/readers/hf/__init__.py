"""Parquet files of the Hugging Face `datasets` library, with a column of images and one of masks."""
