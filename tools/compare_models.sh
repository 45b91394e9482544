#!/usr/bin/env bash
# The architectures beside each other under one small budget: batches of 8, three seeds, from random weights, on one thread.
#   tools/compare_models.sh OUT PETS CAMVID    datasets as docs/training.md converts them, or "" for none; a plot in OUT/NAME.png
# STEPS (default 64) is the number of batches that each model learns from.
set -euo pipefail
out=$1 pets=$2 camvid=$3
models="unet:mobilenet_v2 unet:vgg19_bn fcn8s:mobilenet_v2 segnet:mobilenet_v2 pspnet:mobilenet_v2 deeplabv3plus:mobilenet_v2 parsenet:mobilenet_v2"
mkdir -p "$out"

train() { # dataset, name, options
    for seed in 0 1 2; do
        for pair in $models; do
            segdata train "$1" "$out/$2-${pair/:/-}-$seed" --model "${pair%:*}" --encoder "${pair#*:}" --seed "$seed" \
                --epochs "$((${STEPS:-64} / 8))" --steps 8 --val-every "$((${STEPS:-64} / 8))" --batch 8 --schedule onecycle \
                --channels-last --threads 1 --images 0 --no-tensorboard "${@:3}" >/dev/null
        done
    done
    segdata compare "$out/$2"-* --out "$out/$2.png"
}

[[ -z $pets ]] || train "$pets" pets --train-split trainval --val-share 0.2 --resize 128
[[ -z $camvid ]] || train "$camvid" camvid --resize 96x128
