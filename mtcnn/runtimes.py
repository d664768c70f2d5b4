"""Import path of before 0.2: see mtcnn.engines.libraries."""

from mtcnn.engines.libraries import *
