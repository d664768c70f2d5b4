"""What is known of the networks, layer by layer: the three of the cascade, and L-Net, which refines the points.

Valid convolutions, a PReLU after each, pooling after some, then 1x1 heads. A dense
layer is a convolution over the whole of its input, so that all layers are convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ALL_ARCHITECTURES",
    "ARCHITECTURES",
    "CELL",
    "LANDMARK_NAMES",
    "LNET",
    "NETWORKS",
    "OUTPUTS",
    "STRIDE",
    "Architecture",
    "Layer",
]

CELL, STRIDE = 12, 2  # pixels: the window that a cell of P-Net's map sees, and from one cell to the next
# The five points in order; left and right are the viewer's.
LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
# Channels of each output: [not face, face]; dx1, dy1, dx2, dy2; x1..x5, y1..y5.
OUTPUTS = {"prob1": 2, "boxes": 4, "landmarks": 10}


@dataclass(frozen=True)
class Layer:
    """A convolution with its PReLU, and the max pooling of stride 2 after it (0: none)."""

    name: str
    kernel: int
    channels_in: int
    channels_out: int
    pool: int = 0
    ceil: bool = False  # how the size of the pooled map is rounded
    groups: int = 1  # that the channels fall into; each makes its share of the outputs

    @property
    def is_dense(self) -> bool:
        return self.name.startswith("fc")

    @property
    def activation(self) -> str:
        return self.name.replace("conv", "prelu").replace("fc", "prelu")


@dataclass(frozen=True)
class Architecture:
    """One of the three networks.

    Attributes:
        side: of its input, pixels; None for any from CELL up.
        layers: in order.
        heads: the output that each makes, and its name.
        channels: of its input.
    """

    name: str
    side: int | None
    layers: tuple[Layer, ...]
    heads: dict[str, str]
    channels: int = 3

    @property
    def outputs(self) -> dict[str, int]:
        """Channels of each of its outputs."""
        return {name: OUTPUTS[name] for name in self.heads}

    @property
    def features(self) -> int:
        """Channels that the heads see."""
        return self.layers[-1].channels_out


ARCHITECTURES = {
    network.name: network
    for network in (
        Architecture(
            "pnet",
            None,
            (
                Layer("conv1", 3, 3, 10, pool=2, ceil=True),
                Layer("conv2", 3, 10, 16),
                Layer("conv3", 3, 16, 32),
            ),
            {"prob1": "conv4-1", "boxes": "conv4-2"},
        ),
        Architecture(
            "rnet",
            24,
            (
                Layer("conv1", 3, 3, 28, pool=3, ceil=True),  # 22 -> 11
                Layer("conv2", 3, 28, 48, pool=3),  # 9 -> 4
                Layer("conv3", 2, 48, 64),
                Layer("fc4", 3, 64, 128),
            ),
            {"prob1": "fc5-1", "boxes": "fc5-2"},
        ),
        Architecture(
            "onet",
            48,
            (
                Layer("conv1", 3, 3, 32, pool=3, ceil=True),  # 46 -> 23
                Layer("conv2", 3, 32, 64, pool=3),  # 21 -> 10
                Layer("conv3", 3, 64, 64, pool=2),  # 8 -> 4
                Layer("conv4", 2, 64, 128),
                Layer("fc5", 3, 128, 256),
            ),
            {"prob1": "fc6-1", "boxes": "fc6-2", "landmarks": "fc6-3"},
        ),
    )
}
NETWORKS = tuple(ARCHITECTURES)

# Five crops about the five points in, R, G, B of each in turn; out where in its crop each point is, 0 to 1. The five
# towers, of R-Net's layers, are groups of channels.
LNET = Architecture(
    "lnet",
    24,
    (
        Layer("conv1", 3, 15, 140, pool=3, ceil=True, groups=5),
        Layer("conv2", 3, 140, 240, pool=3, groups=5),
        Layer("conv3", 2, 240, 320, groups=5),
        Layer("fc4", 3, 320, 256),
        Layer("fc5", 1, 256, 320),
    ),
    {"landmarks": "fc6"},
    channels=15,
)
ALL_ARCHITECTURES = {**ARCHITECTURES, LNET.name: LNET}
