"""The learner: a network with its loss and optimiser, and one step of training."""

from __future__ import annotations

import copy
import math
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.errors import TrainingFailed
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.loss import EmbeddingLoss
from faceid.networks.training.batches import Batch
from faceid.networks.training.checkpoints import Learnt
from faceid.networks.training.embedding import as_input, embed, spread
from faceid.networks.training.health import Record
from faceid.networks.training.norms import without_norms
from faceid.networks.training.samples import Samples
from faceid.networks.training.settings import OptimiserSettings, TrainSettings
from faceid.networks.training.stages import freeze, parameter_groups, rated, set_training
from faceid.networks.training.starts import Start

_MULTIPLIER = 1_000_003
"""The distance between the generator seeds of neighbouring run seeds, so that no two steps share one."""


class Learner:
    """A network, its loss and its optimiser, in one of the processes of `fabric`."""

    def __init__(self, fabric: Fabric, settings: TrainSettings, start: Start, samples: Samples) -> None:
        self._fabric, self._settings = fabric, settings
        self.network = start.make()
        # On the CPU of each process: one row for each crop, read by the batch.
        self._teacher = self._taught(samples) if settings.distillation.weight else None
        freeze(self.network, settings.network.frozen)
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
            self.network = convert(self.network)
        torch.manual_seed(settings.seed)
        self._loss = self._make_loss(samples)
        self._optimiser = _make_optimiser(self.network, self._loss, settings.optimiser)
        replicas, optimiser = fabric.setup(self.network, self._optimiser)
        self._replica = cast("nn.Module", replicas)
        self._stepped = cast("torch.optim.Optimizer", optimiser)
        self._scaler: Any = fabric.strategy.precision

    def step(self, number: int, batch: Batch) -> Record:
        """Learn from a batch; `number` counts from 1. Raises TrainingFailed for a loss that is not finite."""
        torch.manual_seed(self._settings.seed * _MULTIPLIER + number)
        factor = rate_factor(number, self._settings)
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        set_training(self.network)
        fabric = self._fabric
        pixels = batch.share(fabric.global_rank, fabric.world_size)
        embeddings = self._gathered(self._replica(as_input(pixels, fabric.device)), len(batch.labels))
        loss = self._loss(embeddings, batch.labels.to(fabric.device))
        held = self._distilled(embeddings, batch.places)
        total = loss.value + held
        value = float(total.detach())
        if not math.isfinite(value):
            raise TrainingFailed(
                f"the loss is {value} at step {number}",
                code="diverged",
            )
        self._stepped.zero_grad()
        fabric.backward(total)
        if self._settings.optimiser.clip:
            fabric.clip_gradients(self._replica, self._stepped, max_norm=self._settings.optimiser.clip)
        self._stepped.step()
        return Record(
            step=number,
            loss=value,
            distillation=float(held.detach()),
            active=loss.active,
            spread=spread(embeddings),
            rate=self._settings.optimiser.rate * factor,
        )

    def deployed(self) -> dict[str, Tensor]:
        """The state of the network as it would be used now."""
        return without_norms(self.network).state_dict()

    def learnt(self) -> Learnt:
        """The state of everything that is learnt."""
        return Learnt(
            network=self.network.state_dict(),
            loss=self._loss.state_dict(),
            optimiser=self._optimiser.state_dict(),
            scaler=self._scaler.state_dict(),
        )

    def restore(self, learnt: Learnt) -> None:
        """Restore the state of a checkpoint of this run."""
        self.network.load_state_dict(learnt.network)
        self._loss.load_state_dict(learnt.loss)
        self._optimiser.load_state_dict(dict(learnt.optimiser))
        self._scaler.load_state_dict(dict(learnt.scaler))

    def _make_loss(self, samples: Samples) -> EmbeddingLoss:
        with torch.inference_mode():
            example = as_input(torch.from_numpy(samples.crops([0])), torch.device("cpu"))
            dim = copy.deepcopy(self.network).eval()(example).shape[1]
        classes = int(samples.labels.max()) + 1
        loss = make_loss(self._settings.loss, embedding_size=dim, classes=classes)
        return loss.to(self._fabric.device)

    def _taught(self, samples: Samples) -> Tensor:
        """The embeddings of all clean crops by the network before training: (n, d), of unit length."""
        network = copy.deepcopy(self.network).to(self._fabric.device)
        return torch.from_numpy(embed(network, samples, self._fabric.device))

    def _distilled(self, embeddings: Tensor, places: Tensor) -> Tensor:
        """The weighted distance of embeddings from the teacher's (Hinton et al. 2015, for embeddings, not classes).

        Crops are augmented for the network and clean for the teacher, which gives the target for a worse photo.
        """
        settings = self._settings.distillation
        if self._teacher is None:
            return embeddings.new_zeros(())
        taught = self._teacher[places].to(embeddings.device)
        ours = functional.normalize(embeddings)
        apart: Tensor = (
            1.0 - (ours * taught).sum(1)
            if settings.distance == "cosine"
            else torch.linalg.vector_norm(ours - taught, dim=1)
        )
        return apart.mean() * settings.weight

    def _gathered(self, mine: Tensor, count: int) -> Tensor:
        """The embeddings of all processes in the order of the batch, `count` of them.

        Gradients flow only to this process's part, and DDP averages over processes. The factor turns that average into
        the gradient of a single process.
        """
        fabric = self._fabric
        if fabric.world_size == 1:
            return mine
        world = fabric.world_size
        parts = [torch.empty_like(mine) for _ in range(world)]
        torch.distributed.all_gather(parts, mine.detach())
        scaled: Any = mine
        scaled.register_hook(lambda gradient: gradient * world)
        parts[fabric.global_rank] = mine
        return torch.cat(parts)[:count]


def rate_factor(number: int, settings: TrainSettings) -> float:
    """The factor of a group's peak rate in a step: it rises along a line, and falls along half a cosine.

    Loshchilov and Hutter 2017 (arXiv:1608.03983), without restarts.
    """
    warmup, steps = settings.optimiser.warmup, settings.schedule.steps
    if number <= warmup:
        return number / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (number - warmup - 1) / max(1, steps - warmup)))


def _make_optimiser(
    network: nn.Module, loss: EmbeddingLoss, settings: OptimiserSettings
) -> torch.optim.Optimizer:
    groups = parameter_groups(network, settings)
    if heads := list(loss.parameters()):
        groups += rated(heads, settings.rate, settings)
    if settings.name == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.rate, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    return torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.weight_decay)
