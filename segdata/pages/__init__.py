"""What all pages and contact sheets share."""
