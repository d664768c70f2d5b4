"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.detector.

A folder, since Python prefers it to a module: it stays where that package is installed over this one, whose
`mtcnn.py` is a file. Then `import mtcnn` begins there and comes here.
"""

import importlib.util
import sys
from pathlib import Path

_theirs = Path(__file__).parents[1] / "mtcnn.py"
# Where the system sees no case, our MTCNN.py is found by that name, too.
if _theirs.exists() and b"import pytrt" not in _theirs.read_bytes():
    _spec = importlib.util.spec_from_file_location(__name__, _theirs)
    assert _spec is not None and _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    _missing = None
    try:
        _spec.loader.exec_module(_module)  # what they have works as far as it can
    except ModuleNotFoundError as error:
        _missing = error
    if _missing:  # TensorFlow, which they need: it is more likely this package that was meant
        import pytrt  # noqa: F401 - raises: it tells whose `mtcnn` this is

        raise _missing
    sys.modules[__name__] = _module
else:
    from mtcnn.compat.mtcnn.detector import *
