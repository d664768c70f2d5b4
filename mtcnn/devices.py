"""Import path of before 0.2: see mtcnn.engines.devices."""

from mtcnn.engines.devices import *
