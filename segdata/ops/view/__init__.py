"""`segdata view`: a whole dataset in the browser, to look at and to act on."""
