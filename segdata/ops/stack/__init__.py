"""`segdata stack`: the operation, and how it is told."""
