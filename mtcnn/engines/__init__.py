"""From ONNX models to engines that are loaded on this machine's device."""

from mtcnn.engines.create import create_engines, current_engines, engine_problem
from mtcnn.engines.networks import NETWORKS
from mtcnn.engines.settings import PRECISIONS
from mtcnn.engines.store import (
    Description,
    engines_folder,
    load_engine,
    models_folder,
    package_models,
    read_engine,
)

__all__ = [
    "NETWORKS",
    "PRECISIONS",
    "Description",
    "create_engines",
    "current_engines",
    "engine_problem",
    "engines_folder",
    "load_engine",
    "models_folder",
    "package_models",
    "read_engine",
]
