"""Tiny networks with the part of the interface of timm and torchvision that is used."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn


class TinyResNet(nn.Module):
    """A convolutional network with the parts of a ResNet, as both libraries have it."""

    def __init__(self, width=4, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
        self.layer4 = nn.Sequential(nn.Conv2d(width, 2 * width, 2, 2), nn.BatchNorm2d(2 * width))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2 * width, num_classes) if num_classes else nn.Identity()

    def prune_intermediate_layers(self, indices, prune_head):
        if prune_head:
            self.fc = nn.Identity()

    def forward_intermediates(self, x, norm, intermediates_only):
        stem = self.relu(self.bn1(self.conv1(x)))
        first = self.layer1(stem)
        return [stem, first, self.layer4(first)]


class TinyViT(nn.Module):
    """A transformer of 14 x 14 patches, with position embeddings of 4 x 4 patches."""

    def __init__(self, num_classes=10, dynamic_img_size=False):
        super().__init__()
        self.dynamic = dynamic_img_size
        self.pos_embed = nn.Parameter(torch.randn(1, 16, 8))
        self.patch_embed = nn.Conv2d(3, 8, 14, 14)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, num_classes) if num_classes else nn.Identity()

    prune_intermediate_layers = TinyResNet.prune_intermediate_layers

    def forward_intermediates(self, x, norm, intermediates_only):
        x = self.patch_embed(x)
        positions = self.pos_embed.unflatten(1, (4, 4)).permute(0, 3, 1, 2)
        if self.dynamic:
            positions = F.interpolate(positions, x.shape[2:], mode="bilinear")
        tokens = (x + positions).flatten(2).transpose(1, 2)
        mixed = self.block(tokens).transpose(1, 2).unflatten(2, x.shape[2:])
        return [x, mixed]


MODELS = {"tiny": TinyResNet, "tiny_vit": TinyViT}


def _create_model(name, *, pretrained, num_classes=10, **options):
    assert pretrained is False
    return MODELS[name](num_classes=num_classes, **options)


def _get_model(name, *, weights):
    assert weights is None
    return MODELS[name]()


timm = SimpleNamespace(is_model=MODELS.__contains__, create_model=_create_model)
torchvision = SimpleNamespace(
    models=SimpleNamespace(list_models=lambda *, module: ["tiny", "tiny_vit"], get_model=_get_model)
)
