"""What tf2onnx makes of the Keras models, turned back into the three networks layer by layer.

It writes a PReLU as five operations, and rounds pooled sizes up by padding. Runtimes have fast kernels for PRelu, and
the CPU's own kernels take a model only where it is MTCNN's, layer by layer; so both are undone, exactly.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from mtcnn.engines.networks import OUTPUTS, Architecture
from mtcnn.errors import MtcnnError
from mtcnn.runtime.optional import import_optional

__all__ = ["tidy"]

IR_VERSION = 8
INPUT = {"nchw": "data", "nhwc": "input_1"}  # as the package's own models have it, and as Keras has it
_LAYOUT = ("Transpose", "Reshape")


def tidy(model: Any, network: Architecture, layout: str, layer_names: bool, metadata: dict[str, str]) -> Any:
    """The ONNX model with PRelu, pooling that rounds up, and the package's names.

    Args:
        model: what tf2onnx made, with the outputs named after the heads' layers.
        network: which of the three it is.
        layout: "nchw": without what turns (n, h, w, c) into (n, c, h, w) and back; "nhwc": with it.
        layer_names: whether outputs keep the names of the heads' layers, as converters of Keras models name them.
        metadata: what the model is to say of itself.

    Raises:
        MtcnnError: this tf2onnx writes something else than the one that this was written for.
    """
    onnx = import_optional("onnx")
    graph = _Graph(onnx, model.graph)
    try:
        graph.fold_prelus()
        graph.round_pools_up()
        if layout == "nchw":
            graph.drop_layout()
        heads = graph.name_layers(network)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise _unknown(f"{type(error).__name__}: {error}") from None
    found = Counter(node.op_type for node in graph.nodes if node.op_type not in _LAYOUT)
    wanted = Counter(
        Conv=len(network.layers) + len(network.heads),
        PRelu=len(network.layers),
        MaxPool=sum(layer.pool > 0 for layer in network.layers),
        Softmax=1,
    )
    turns = sum(node.op_type in _LAYOUT for node in graph.nodes)
    if found != wanted or (layout == "nchw" and turns):
        raise _unknown(f"{dict(found)}, {turns} changes of layout")
    outputs = {output: keras_name(network.heads[output]) if layer_names else output for output in heads}
    for output, name in heads.items():
        graph.rename(name, outputs[output])
    return graph.finish(model, network, layout, outputs, metadata)


def keras_name(name: str) -> str:
    """What mtcnn-keras calls a head's layer: "conv5-1" for "fc5-1"."""
    return name.replace("fc", "conv")


def _unknown(what: str) -> MtcnnError:
    return MtcnnError(f"this tf2onnx writes networks in a way not known here ({what}): pip install tf2onnx==1.17")


class _Graph:
    def __init__(self, onnx: Any, graph: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = list(graph.node)
        self.weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.input: str = graph.input[0].name
        self.outputs: list[str] = [value.name for value in graph.output]

    def maker(self, name: str) -> Any:
        """The node that makes a value; None for the input and for weights."""
        return next((node for node in self.nodes if name in node.output), None)

    def users(self, name: str) -> list[Any]:
        return [node for node in self.nodes if name in node.input]

    def behind_layout(self, name: str) -> str:
        """A value before the changes of layout that led to it."""
        node = self.maker(name)
        while node is not None and node.op_type in _LAYOUT:
            name = node.input[0]
            node = self.maker(name)
        return name

    def replace(self, old: str, new: str) -> None:
        """Let everything that reads one value read another."""
        for node in self.nodes:
            for i, name in enumerate(node.input):
                if name == old:
                    node.input[i] = new

    def drop_unused(self) -> None:
        while True:
            read = {name for node in self.nodes for name in node.input} | set(self.outputs)
            used = [node for node in self.nodes if read & set(node.output)]
            if len(used) == len(self.nodes):
                break
            self.nodes = used
        self.weights = {name: value for name, value in self.weights.items() if name in read}

    def fold_prelus(self) -> None:
        """relu(x) + -a * relu(-x) is prelu(x, a)."""
        for i, add in enumerate(self.nodes):
            if add.op_type != "Add":
                continue
            parts = {}
            for name in add.input:
                node = self.maker(self.behind_layout(name))
                parts[node.op_type if node is not None else ""] = node
            x = parts["Relu"].input[0]
            scaled, minus_slope = parts["Mul"].input
            if scaled in self.weights:
                scaled, minus_slope = minus_slope, scaled
            negated = self.maker(self.maker(scaled).input[0])
            if negated.op_type != "Neg" or negated.input[0] != x:
                raise ValueError("an addition that is of no PReLU")
            slope = f"{add.output[0]}_slope"
            self.weights[slope] = -self.weights[minus_slope].reshape(-1, 1, 1)
            self.nodes[i] = self.onnx.helper.make_node("PRelu", [x, slope], list(add.output))
        self.drop_unused()

    def round_pools_up(self) -> None:
        """Padding at the end, where the last window would not fit, is rounding up."""
        for i, pool in enumerate(self.nodes):
            if pool.op_type != "MaxPool":
                continue
            given = {a.name: self.onnx.helper.get_attribute_value(a) for a in pool.attribute}
            up = given.get("auto_pad") == b"SAME_UPPER" or given.get("pads") == [0, 0, 1, 1]
            if not up and (given.get("auto_pad") or any(given.get("pads", []))):
                raise ValueError(f"pooling with {given}")
            self.nodes[i] = self.onnx.helper.make_node(
                "MaxPool",
                list(pool.input),
                list(pool.output),
                kernel_shape=given["kernel_shape"],
                strides=given["strides"],
                ceil_mode=int(up),
            )

    def drop_layout(self) -> None:
        """Take (n, c, h, w) in and give it out."""
        for node in self.users(self.input):
            if node.op_type in _LAYOUT:
                self.replace(node.output[0], self.input)
        for name in self.outputs:
            before = self.behind_layout(name)
            if before != name:
                node = self.maker(before)
                node.output[list(node.output).index(before)] = name
        self.nodes = [node for node in self.nodes if node.op_type not in _LAYOUT]
        self.drop_unused()

    def name_layers(self, network: Architecture) -> dict[str, str]:
        """Names nodes, their values and weights after the layers; returns what is given out for each output."""
        convs = [node for node in self.nodes if node.op_type == "Conv"]
        trunk = [node for node in convs if any(user.op_type == "PRelu" for user in self.users(node.output[0]))]
        for i, node in enumerate(self.nodes):
            node.name = f"{node.op_type.lower()}_{i}"
        for layer, conv in zip(network.layers, trunk, strict=True):
            (prelu,) = (user for user in self.users(conv.output[0]) if user.op_type == "PRelu")
            self._name(conv, layer.name, ("weight", "bias"))
            self._name(prelu, layer.activation, ("slope",))
        found = {}
        for output, head in network.heads.items():
            found[output] = next(name for name in self.outputs if name in (head, f"{head}_flat"))
            node = self.maker(self.behind_layout(found[output]))
            if node.op_type == "Softmax":
                node = self.maker(self.behind_layout(node.input[0]))
            self._name(node, head, ("weight", "bias"))
        for node in self.nodes:
            if node.output[0] not in self.outputs:
                self.rename(node.output[0], f"{node.name}_out")
        return found

    def _name(self, node: Any, layer: str, ends: tuple[str, ...]) -> None:
        node.name = layer
        for i, end in enumerate(ends, 1):
            value = self.weights.pop(node.input[i])
            node.input[i] = f"{layer}.{end}"
            self.weights[node.input[i]] = value

    def rename(self, old: str, new: str) -> None:
        self.replace(old, new)
        for node in self.nodes:
            for i, name in enumerate(node.output):
                if name == old:
                    node.output[i] = new
        self.outputs = [new if name == old else name for name in self.outputs]

    def finish(
        self, model: Any, network: Architecture, layout: str, outputs: dict[str, str], metadata: dict[str, str]
    ) -> Any:
        helper, numpy_helper = self.onnx.helper, self.onnx.numpy_helper
        self.replace(self.input, INPUT[layout])
        float32 = self.onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            network.name,
            [helper.make_tensor_value_info(INPUT[layout], float32, _input_shape(network, layout))],
            [
                helper.make_tensor_value_info(name, float32, _output_shape(network, layout, OUTPUTS[output]))
                for output, name in outputs.items()
            ],
            [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in self.weights.items()],
        )
        opsets = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="trt-mtcnn")
        helper.set_model_props(made, metadata)
        self.onnx.checker.check_model(made, full_check=True)
        return made


def _input_shape(network: Architecture, layout: str) -> list[int | str]:
    size: list[int | str] = ["h", "w"] if network.side is None else [network.side, network.side]
    return ["n", 3, *size] if layout == "nchw" else ["n", *size, 3]


def _output_shape(network: Architecture, layout: str, channels: int) -> list[int | str]:
    size: list[int | str] = ["grid_h", "grid_w"] if network.side is None else [1, 1]
    if layout == "nchw":
        return ["n", channels, *size]
    return ["n", *(size if network.side is None else ()), channels]
