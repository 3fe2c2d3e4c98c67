"""Nothing that a training step computes waits for the GPU."""

import numpy as np
import pytest
import torch
from fake_gpu import HAS_GPU, no_waiting, on_gpu, some_gpu

from sskseg.datasets import make_cells
from sskseg.detection import ContourProposalNetwork, DeviceContourBatches, contour_loss, outline
from sskseg.images import PatchSampler, section_indices
from sskseg.images.augmentation import Augmentation
from sskseg.morphology import normalized_distance, weight_map
from sskseg.nn import make_feature_network
from sskseg.pretraining import DeviceProxyBatches
from sskseg.proxies import make_proxy
from sskseg.refinement import HistoryBuffer, self_regularization
from sskseg.refinement.patches import SimulatedPool, real_batches
from sskseg.segmentation.semi_supervised import Consistency, MeanTeacher
from sskseg.segmentation.semi_supervised.disturbances import DisturbedSections
from sskseg.training import (
    ClassObjective,
    DeviceBatches,
    ForegroundObjective,
    MixedBatches,
    prefetch_on_gpu,
)
from sskseg.training.loop import readable
from sskseg.training.optimizers import MovingAverage, make_optimizers

AUGMENTATION = Augmentation(warm_up=0, photometric_probability=0.5)
PLANES, VOLUMES = ((96, 80), (32, 32)), ((16, 40, 48), (8, 24, 24))


def repeat(step, n=3):
    """Make steps of which all but the first two must not wait."""
    with torch.no_grad():
        for _ in range(2):
            step()
        with no_waiting():
            for _ in range(n):
                made = step()
    return made


def devices(tensors):
    return {tensor.device.type for tensor in tensors if tensor is not None}


def segmenter_batches(size, shape, device, dtype=np.uint8, **changes):
    X, y = make_cells(3, size, random_state=0)
    targets = [normalized_distance(label).astype(np.float16) for label in y]
    options = {"weigh": weight_map, "offset": (0.3,) * len(shape), **changes}
    return DeviceBatches(
        list((200 * X).astype(dtype)[..., None]), list(y), targets,
        section_indices=section_indices(np.arange(3), 1), sampler=PatchSampler(list(y), shape),
        augmentation=AUGMENTATION, mean=np.full(1, 20, np.float32),
        std=np.full(1, 50, np.float32), batch_size=6, rng=np.random.default_rng(0), device=device,
        **options,
    )  # fmt: skip


@pytest.mark.skipif(HAS_GPU, reason="of tensors without values")
def test_the_fake_finds_what_waits_and_what_is_elsewhere():
    with some_gpu() as gpu:
        x, index = torch.empty(3, 4, device=gpu), torch.tensor([0, 2])
        with pytest.raises(RuntimeError, match="can be pinned"):
            x.pin_memory()
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(3, 4)
        with no_waiting():
            for waits in (
                lambda: x[index],
                lambda: x[x > 0],
                lambda: bool((x > 0).any()),
                lambda: x.nonzero(),
                lambda: torch.tensor([1.0], device=gpu),
                lambda: index.to(gpu),
                lambda: x.to("cpu"),
            ):
                with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
                    waits()


@pytest.mark.parametrize(
    ("size", "shape", "dtype", "fits"),
    [(*PLANES, np.uint8, True), (*VOLUMES, np.uint16, True), (*PLANES, np.float32, False)],
)
def test_batches_of_a_segmenter(size, shape, dtype, fits, monkeypatch):
    if not fits:
        monkeypatch.setattr("sskseg.training.device_arrays._MAX_SHARE", 0)
    with some_gpu() as gpu:
        batches = segmenter_batches(size, shape, gpu, dtype)
        batch = repeat(lambda: next(batches))
        assert devices(batch) == {"cuda"}
        assert batch.images.shape == (6, 3, *shape)
        assert repeat(lambda: next(MixedBatches(batches, batches))).labels.shape == (12, *shape)
        with prefetch_on_gpu(batches, gpu) as ahead:
            assert devices(next(ahead)) == {"cuda"}


class Unlabeled:
    """What methods use of a training."""

    def __init__(self, batches, objective):
        self.batches, self.objective = batches, objective

    def unlabeled_batches(self):
        return self.batches

    def child_generator(self):
        return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("size", "shape", "objective"),
    [
        (*PLANES, ForegroundObjective(("cross-entropy", "dice", "distance", "core"), 8.0, 5.0)),
        (*VOLUMES, ClassObjective(("cross-entropy", "dice"), np.arange(3))),
    ],
    ids=["foreground", "classes"],
)
def test_losses_of_labeled_and_unlabeled_patches(size, shape, objective):
    def network(x):
        return x[:, :1].expand(-1, objective.n_outputs, *x.shape[2:])

    with some_gpu() as gpu:
        batches = segmenter_batches(size, shape, gpu)
        assert repeat(lambda: objective.loss(network, next(batches), 0.5)).is_cuda
        for kind in (Consistency, MeanTeacher):
            method = kind()
            method.start(Unlabeled(batches, objective))
            loss = method.loss(objective.loss)
            method.set_teacher(network)
            network.modules = list  # without layers
            assert readable(repeat(lambda: loss(network, next(batches), 0.5))).is_cuda  # noqa: B023


@pytest.mark.parametrize(("size", "shape"), [PLANES, VOLUMES])
def test_disturbed_sections(size, shape):
    with some_gpu() as gpu:
        sections = DisturbedSections(
            segmenter_batches(size, shape, gpu), 1, np.random.default_rng(0)
        )
        assert devices(repeat(lambda: next(sections))) == {"cuda"}
        assert devices(sections.draw()()) == {"cuda"}


@pytest.mark.parametrize("magnifications", [None, np.array([1.0, 2.0, 2.0])])
@pytest.mark.parametrize(
    ("names", "shape"),
    [(("channel", "rotation", "restoration", "masked"), (8, 16, 16)),
     (("magnification", "channel", "restoration"), (32, 32))],
)  # fmt: skip
def test_batches_of_proxies(names, shape, magnifications):
    names = names if magnifications is None else ("magnification", *names[1:])
    size = (20, 40, 40) if len(shape) == 3 else (160, 140)
    images = list(np.random.default_rng(0).random((3, *size, 2)).astype(np.float32))
    proxies = [make_proxy(name).prepare(2, magnifications) for name in names]
    with some_gpu() as gpu:
        batches = DeviceProxyBatches(
            images, [np.arange(3)], magnifications, proxies=proxies, patch_shape=shape, guards=True,
            batch_size=8, rng=np.random.default_rng(0), device=gpu,
        )  # fmt: skip
        batch = repeat(lambda: next(batches), 6)
        assert devices([batch.images, batch.clean, batch.weights, *batch.targets.values()]) == {
            "cuda"
        }


@pytest.mark.parametrize(("size", "side"), [((40, 50), 24), ((20, 30, 30), 16)])
def test_a_step_of_a_refiner(size, side):
    rng, shape = np.random.default_rng(0), (side,) * len(size)
    X = rng.random((6, *size), dtype=np.float32)
    pool, buffer = SimulatedPool(X, (X > 0.9).astype(int)), HistoryBuffer(200, rng)

    with some_gpu() as gpu:
        simulated = pool.batches(shape, 5, rng, gpu)
        real = real_batches(list(X), shape, 5, rng, gpu)

        def step():
            images, conditioning = next(simulated).split([1, 3], dim=1)
            return self_regularization(buffer.mix(next(real)), images, conditioning)

        assert readable(repeat(step)).is_cuda


def test_batches_and_loss_of_a_detector():
    X, y = make_cells(3, (80, 100), radius=8, random_state=0)
    unet = make_feature_network("unet-shuffle", 1, 8, 2, ndim=2)
    network = ContourProposalNetwork(unet, 8, samples=16)
    outlined = [outline(label) for label in y]
    with some_gpu() as gpu:
        on_gpu(network)
        outputs = torch.empty(4, network.n_outputs, 24, 24, device=gpu)
        batches = DeviceContourBatches(
            list(X[..., None]), outlined, 16, (48, 48), np.ones(3), augmentation=AUGMENTATION,
            mean=np.zeros(1, np.float32), std=np.ones(1, np.float32), batch_size=4,
            rng=np.random.default_rng(0), device=gpu,
        )  # fmt: skip
        assert repeat(lambda: contour_loss(network, outputs, *next(batches)[1:])).is_cuda


def test_moving_average_and_optimizers():
    network = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3), torch.nn.BatchNorm2d(8))
    average = MovingAverage(network, 0.998)
    with some_gpu():
        on_gpu(network)
        on_gpu(average.module)
        optimizers = make_optimizers([(list(network.parameters()), None)], 1e-3, 1e-4)
        for parameter in network.parameters():
            parameter.grad = torch.empty_like(parameter)

        def step():
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            average.update()

        repeat(step)
