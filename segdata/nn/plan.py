"""What a training is going to do, told before its first step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from segdata.nn.distributed import World
from segdata.nn.norms import few_updates, steps_again
from segdata.nn.precision import refused
from segdata.nn.state import State
from segdata.nn.task import Task


@dataclass(frozen=True, slots=True)
class Plan:
    """The facts of a training before its first step. `begun`: the updates before a stop; `notes`: what a person should know.

    `again`: the images on which batch normalisation is measured anew before the first validation.
    """

    device: str
    precision: str
    model: str
    parameters: int
    train: int
    val: int
    trained_on: str
    validated_on: str
    epochs: int
    steps: int
    batch: int
    begun: int
    again: int
    notes: tuple[str, ...]


def plan_of(task: Task, state: State, here: World) -> Plan:
    """What is going to be done."""
    options, device = task.options, here.device
    instead = refused(options, device)
    notes = (
        [] if instead is None else [f"{instead}: it computes in float32, as without --precision {options.precision}"]
    )
    first = next(step for step in range(task.steps, task.last + 1, task.steps) if task.validates(step))
    return Plan(
        device=device_told(here),
        precision="float32" if instead else options.precision,
        model=options.model + (f" over {options.encoder}" if options.encoder else ""),
        parameters=sum(p.numel() for p in state.model.parameters()),
        train=len(task.train),
        val=len(task.val),
        trained_on=options.train_split,
        validated_on=options.val_split if options.val_share is None else "held out",
        epochs=options.epochs,
        steps=task.steps,
        batch=options.batch,
        begun=state.step,
        again=min(len(steps_again(task, first - 1, few_updates(state.model))) * options.batch, len(task.train)),
        notes=(*notes, *task.notes),
    )


def device_told(here: World) -> str:
    """The device by its name, such as `cuda:0 (NVIDIA H200)`, or a CPU with its threads; and the number of processes."""
    device = here.device
    if device.type == "cuda":
        told = f"{device} ({torch.cuda.get_device_name(device)})"
    else:
        told = f"cpu, threads: {torch.get_num_threads()}" if device.type == "cpu" else str(device)
    return told if here.size == 1 else f"{told}, processes: {here.size}"
