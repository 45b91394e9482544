"""A training that plans itself: a fingerprint of the data gives a plan, a probe of the machine its length."""
