# mtcnn serve on NVIDIA GPUs: docker build -t mtcnn-gpu -f docker/tensorrt.Dockerfile .
# NVIDIA's container has TensorRT's libraries and headers, and nvcc for the kernels.
FROM nvcr.io/nvidia/tensorrt:25.10-py3
COPY . /src
# Its Python is the system's, which pip leaves alone unless told otherwise.
ENV PIP_BREAK_SYSTEM_PACKAGES=1
# OpenCV without windows: the full one needs libGL.
RUN pip install --no-cache-dir "/src[serve]" && rm -r /src
# Engines fit one kind of GPU: they are made at the first start, and kept where /engines is a volume.
ENV TRT_MTCNN_ENGINES=/engines
RUN useradd --create-home --uid 10001 mtcnn && mkdir /engines && chown mtcnn /engines
# By its number: what forbids root, as Kubernetes' runAsNonRoot, looks up no names.
USER 10001
VOLUME /engines
EXPOSE 8000
HEALTHCHECK --start-period=10m CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["mtcnn"]
CMD ["serve", "--host", "0.0.0.0", "--device", "cuda"]
