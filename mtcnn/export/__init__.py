"""From the weights that MTCNN is published with to ONNX models: what ``mtcnn export`` does."""
