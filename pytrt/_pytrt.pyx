# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
# cython: freethreading_compatible=True
"""The native module: the C++ core for Python."""
cimport cython
from libcpp.utility cimport move

from math import prod
from operator import index

import numpy as np

include "errors.pyx"
include "checks.pyx"
include "dlpack.pyx"
include "image.pyx"
include "engine.pyx"
include "device.pyx"
include "emulated.pyx"
include "launches.pyx"
include "stages.pyx"
include "ops.pyx"
include "networks.pyx"
include "tiles.pyx"
include "tensorrt.pyx"
include "py_trt_mtcnn.pyx"
