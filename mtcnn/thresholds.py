"""Import path of before 0.2: see mtcnn.recognition.thresholds."""

from mtcnn.recognition.thresholds import *
