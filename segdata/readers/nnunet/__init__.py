"""nnU-Net raw data: `dataset.json`, `imagesTr/NAME_0000.png` and `labelsTr/NAME.png`, of versions 1 and 2."""
