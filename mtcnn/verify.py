"""Import path of before 0.2: see mtcnn.recognition.verify."""

from mtcnn.recognition.verify import *
