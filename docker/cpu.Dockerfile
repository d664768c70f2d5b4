# mtcnn serve on CPUs: docker build -t mtcnn -f docker/cpu.Dockerfile .
FROM python:3.12 AS build
COPY . /src
RUN pip wheel --no-deps --wheel-dir /wheels /src

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[serve]" && rm -r /wheels
ENV TRT_MTCNN_ENGINES=/opt/engines
RUN create_engines && useradd --create-home --uid 10001 mtcnn
# By its number: what forbids root, as Kubernetes' runAsNonRoot, looks up no names.
USER 10001
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["mtcnn"]
CMD ["serve", "--host", "0.0.0.0"]
