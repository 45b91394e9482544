"""COCO-Stuff: maps of things and stuff of the 164k set, MAT files of the 10k set, pixelmaps of the stuff challenge."""
