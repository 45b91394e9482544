#!/usr/bin/env bash
# With and without published weights: a U-Net over efficientnet_lite0 at the budgets of docs/training.md, on one thread of a CPU.
#   tools/worth.sh OUT PETS CAMVID [SEED ...]    datasets as docs/training.md converts them, or "" for none; seed 0 by default
# Each run trains into OUT/DATASET-START-SEED and is evaluated into OUT/DATASET-START-SEED.json. Run again after a stop: finished
# runs stay as they are, a stopped one goes on. SEGDATA is the command (default segdata).
set -euo pipefail
out=$1 pets=$2 camvid=$3
shift 3
read -ra segdata <<<"${SEGDATA:-segdata}"
mkdir -p "$out"

starts() { # the options of each start, the most telling ones first
    case $1 in
        tuned) echo --encoder-weights imagenet --encoder-rate 0.1 ;;
        random) echo --encoder efficientnet_lite0 ;;
        frozen) echo --encoder-weights imagenet --freeze-encoder ;;
        fast) echo --encoder-weights imagenet ;;
    esac
}

measure() { # run, dataset, split, checkpoint, options of the training
    local run=$1 data=$2 split=$3 best=$4 begun=$SECONDS
    shift 4
    [[ ! -s $run.json ]] || return 0
    "${segdata[@]}" train "$data" "$run" "$@" --threads 1 --images 0 --no-tensorboard
    "${segdata[@]}" predict "$run/$best" "$data" "$run-pred" --split "$split"
    "${segdata[@]}" evaluate "$run-pred" "$data" --split "$split" --json >"$run.json.part"
    mv "$run.json.part" "$run.json"
    echo "finished $run after $((SECONDS - begun)) s"
}

for seed in "${@:-0}"; do
    for start in tuned random frozen fast; do
        read -ra begin <<<"$(starts $start)"
        [[ -z $pets ]] || measure "$out/pets-$start-$seed" "$pets" test best.pt "${begin[@]}" --seed "$seed" \
            --train-split trainval --val-share 0.2 --epochs 200 --recipe strong --resize 192 --batch 8 --lr 2e-3 \
            --weight-decay 1e-2 --schedule cosine --warmup 5 --loss ce+dice --ema 0.99 --channels-last --val-every 10
        [[ -z $camvid ]] || measure "$out/camvid-$start-$seed" "$camvid" val last.pt "${begin[@]}" --seed "$seed" \
            --epochs 70 --recipe street --short-side 180 --batch 8 --lr 2e-3 --weight-decay 1e-2 --schedule cosine --warmup 2 \
            --loss ce+dice --ema 0.995 --channels-last --val-every 5
    done
done
