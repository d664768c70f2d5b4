"""`mtcnn detect` and `mtcnn align` on many machines: Ray Data deals parts of the pictures out to detectors."""
