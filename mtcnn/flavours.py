"""Import path of before 0.2: see mtcnn.engines.settings, mtcnn.engines.tensorrt."""

from mtcnn.engines.settings import *
from mtcnn.engines.tensorrt import *
