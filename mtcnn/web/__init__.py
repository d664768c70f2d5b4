"""What the HTTP servers of `mtcnn demo` and `mtcnn serve` share."""
