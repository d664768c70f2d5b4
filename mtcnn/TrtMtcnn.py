"""What `from mtcnn import TrtMtcnn` comes to where the package's `__init__.py` is another package's, or gone."""

import pytrt  # noqa: F401 - raises: it tells whose `mtcnn` this is

raise ImportError("TrtMtcnn is a class: from mtcnn import TrtMtcnn", name=__name__)
