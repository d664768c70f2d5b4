"""Our detector and other MTCNNs from PyPI side by side, each in a process and a virtual environment of its own."""
