"""What `from mtcnn import MTCNN` comes to where the package's `__init__.py` is another package's, or gone."""

import pytrt  # noqa: F401 - raises: it tells whose `mtcnn` this is

raise ImportError("MTCNN is a class: from mtcnn import MTCNN", name=__name__)
