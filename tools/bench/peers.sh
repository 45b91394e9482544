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
peer cvat 'datumaro==0.3.1' 'numpy<2' 'opencv-python-headless<4.12' 'setuptools<81' # CVAT's fork is of it: its mask export
peer geopandas geopandas rasterio pillow # oracle_export_geojson.py
peer cityscapesscripts cityscapesscripts 'numpy<2' # its scores want np.in1d: oracle_export_cityscapes.py
peer labelme 'labelme==6.0.2' # the last with shapes_to_label in its interface; GPL, so in no test
peer segmentation-models-pytorch segmentation-models-pytorch # with a torch and torchvision of its own: 5.5 GB
peer scikit-learn scikit-learn # its StratifiedGroupKFold, beside segdata split
peer pydensecrf2 pydensecrf2 numpy # beside segdata.dense_crf; it is built here, and wants a C++ compiler
peer scikit-image scikit-image     # with SciPy: morphology
peer cleanlab cleanlab             # the ranking of suspect labels
peer torchmetrics torchmetrics # beside segdata evaluate, with a torch of its own
peer mmsegmentation mmsegmentation 'mmcv-lite<2.2' mmengine ftfy regex setuptools torch # mmcv itself would be compiled
peer monai monai surface-distance==0.1 scipy # its sliding_window_inference and, with DeepMind's, surfaces: bench_surface.py
peer hf 'datasets==5.2.0' pillow # its reading of Parquet, beside segdata convert hf; oracle_export_hf.py
peer sahi sahi         # its slicing, beside segdata tile
peer patchify patchify pillow
peer supervisely supervisely==6.74.51 # its SDK draws annotations: oracle_supervisely.py
peer bdd100k bdd100k==1.0.1 'matplotlib==3.9.4' 'pydantic<2' 'numpy<2' # its to_mask, which later ones cannot run: oracle_bdd100k.py
peer ultralytics torch==2.13.0 ultralytics==8.4.190 # oracle_yolo.py: its loader's drawing; with a torch of its own: 6 GB
peer supervision supervision==0.31.2 opencv-python-headless # its loader and exporter of YOLO: oracle_export_yolo.py
peer lightly-train lightly-train==0.18.0 # oracle_export_folders.py: its reading of masks; AGPL, so in no test
peer torchvision torchvision==0.29.1 scipy==1.17.1 # its SBDataset
peer label-studio 'label-studio-sdk==2.1.2' 'pycocotools==2.0.11' # its converter and brush decoder
peer panopticapi 'panopticapi-lite==0.2.0' 'pycocotools==2.0.11' 'scikit-image==0.26.0' # its panoptic quality: oracle_export_coco.py, object_answers.py
peer label-studio-server 'label-studio==1.23.2' # the tool itself: oracle_labelstudio_server.py
peer mlcroissant mlcroissant==1.1.1 pillow # croissant.json of exports: oracle_export_croissant.py
peer nnunet nnunetv2==2.8.1 # its own reading of a raw data set, and its integrity check: oracle_export_nnunet.py
peer torchvision torchvision==0.29.1 scipy==1.17.1 # its SBDataset
peer label-studio 'label-studio-sdk==2.1.2' 'pycocotools==2.0.11' # its converter and brush decoder
peer mlcroissant mlcroissant==1.1.1 pillow pyarrow # croissant.json of exports: oracle_export_croissant.py
peer ade20k numpy pillow matplotlib opencv-python-headless ipdb scikit-learn scipy tqdm # what the programs of the makers of ADE20K and of Mapillary Vistas import
