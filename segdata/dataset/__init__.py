"""A dataset in its folder: the samples, the manifest, the journal, what a job writes, and what is counted."""
