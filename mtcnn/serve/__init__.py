"""An HTTP server that finds faces: `mtcnn serve`."""
