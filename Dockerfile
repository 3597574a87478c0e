# One image for web, worker and scheduler; docker-compose.yml says which command each runs.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 pbcsite \
    && install --directory --owner pbcsite /data
WORKDIR /srv/pbcsite
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock
COPY . .
ENV DATA_DIR=/data STATIC_ROOT=/srv/pbcsite/staticfiles
# The values serve this one command and are kept nowhere.
RUN SECRET_KEY=while-building ALLOWED_HOSTS=localhost python manage.py collectstatic --noinput
USER pbcsite
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "pbcsite.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "8", "--timeout", "120", "--no-control-socket"]
