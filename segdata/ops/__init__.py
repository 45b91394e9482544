"""Operations, one folder a command: a dataset in, a dataset or a small value out."""
