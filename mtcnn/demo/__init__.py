"""A web page to try the detector: `mtcnn demo`."""
