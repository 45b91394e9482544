"""Dense CRF and morphology: masks made better after prediction."""
