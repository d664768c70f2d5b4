"""Import path of before 0.2: see mtcnn.central."""

from mtcnn.central import choose_face as choose_face
