#!/usr/bin/env bash
# Environments for the peers that cannot live beside segdata, under build/bench/. A second run changes nothing.
#   tools/bench/peers.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# One line a peer: its folder, then what pip installs there. PYTHON chooses the interpreter.
peer() {
    local home=build/bench/$1
    shift
    [[ -e $home/.installed ]] && return
    echo "Installing $* into $home ..." >&2
    "${PYTHON:-.venv/bin/python}" -m venv --clear "$home"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
    touch "$home/.installed"
}

peer datumaro datumaro # wants an OpenCV of its own
peer cityscapesscripts cityscapesscripts
peer segmentation-models-pytorch segmentation-models-pytorch # with a torch and torchvision of its own: 5.5 GB
peer scikit-learn scikit-learn # its StratifiedGroupKFold, beside segdata split
peer pydensecrf2 pydensecrf2 numpy # beside segdata.dense_crf; it is built here, and wants a C++ compiler
peer scikit-image scikit-image     # with SciPy: morphology
peer cleanlab cleanlab             # the ranking of suspect labels
peer torchmetrics torchmetrics # beside segdata evaluate, with a torch of its own
peer mmsegmentation mmsegmentation 'mmcv-lite<2.2' mmengine ftfy regex setuptools torch # mmcv itself would be compiled
peer monai monai # its sliding_window_inference, beside segdata predict
peer sahi sahi         # its slicing, beside segdata tile
peer patchify patchify pillow
peer ade20k numpy pillow matplotlib opencv-python-headless ipdb scikit-learn scipy tqdm # what the programs of the makers of ADE20K and of Mapillary Vistas import
