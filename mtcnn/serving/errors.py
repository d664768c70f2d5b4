"""What can go wrong between a client and Triton Inference Server."""

from mtcnn.errors import MtcnnError

__all__ = ["ModelNotReadyError", "RequestRefusedError", "ServerTimeoutError", "ServerUnavailableError", "ServingError"]


class ServingError(MtcnnError):
    """Base of the errors of a client; the server failed where it is no other."""


class ServerUnavailableError(ServingError):
    """No server answers at the address, or it went away during the request."""


class ServerTimeoutError(ServingError):
    """The server did not answer in time."""


class ModelNotReadyError(ServingError):
    """The server runs, but has not loaded the model."""


class RequestRefusedError(ServingError):
    """The server refuses the request: a picture that is none, or is too large."""
