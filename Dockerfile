# One image for web, worker and scheduler; docker-compose.yml says which command each runs.
# The environment is made in a stage of its own: nothing that builds is in the image that runs.
# FLAVOUR=gpu adds CUDA for the worker.
FROM python:3.11-slim-bookworm AS build

ARG FLAVOUR=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/pbcsite
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.lock ./
# CUDA's packages come with TensorFlow's own pins, beside the lock.
RUN pip install --require-hashes --requirement requirements.lock \
    && if [ "$FLAVOUR" = gpu ]; then pip install "tensorflow[and-cuda]==2.21.0"; fi
COPY . .
# The values serve this one command and are kept nowhere.
RUN SECRET_KEY=while-building ALLOWED_HOSTS=localhost DATA_DIR=/tmp/building \
    STATIC_ROOT=/srv/pbcsite/staticfiles python manage.py collectstatic --noinput

FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH \
    DATA_DIR=/data STATIC_ROOT=/srv/pbcsite/staticfiles LOG_FORMAT=json \
    HOME=/tmp KERAS_HOME=/tmp/keras MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba
RUN useradd --no-create-home --uid 10001 pbcsite \
    && install --directory --owner pbcsite /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/pbcsite /srv/pbcsite
WORKDIR /srv/pbcsite
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "scripts.probe"]
CMD ["gunicorn", "pbcsite.wsgi", "--config", "python:pbcsite.serving"]
