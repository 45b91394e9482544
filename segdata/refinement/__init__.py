"""Dense CRF and morphology: improving masks after prediction."""
