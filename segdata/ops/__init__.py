"""Operations: a dataset (or a source) in, a dataset or a small value out. One module each; they never import each other."""
