"""`segdata serve`: a model behind HTTP."""
