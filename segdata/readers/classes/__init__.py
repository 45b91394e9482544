"""Which value or label is which class: files and tables of classes."""
