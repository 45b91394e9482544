"""Pages and sheets: what every page and contact sheet shares."""
