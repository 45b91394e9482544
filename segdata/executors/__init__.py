"""Where the items of an operation run: this process, a pool of processes, or a Dask cluster."""
