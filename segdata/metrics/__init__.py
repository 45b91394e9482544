"""What predictions are worth, and what labels are: counts that add, and what follows from them."""
