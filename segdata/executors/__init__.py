"""Where an operation's items are worked on: in this process, in a pool of processes, or on a Dask cluster."""
