"""Import path of before 0.2: see mtcnn.recognition.embedder."""

from mtcnn.recognition.embedder import *
