# One image for every process of Segue: web, worker, beat and the migration. docker-compose.yml shows how they fit.
# A health check belongs to a process, not to the image, so it stands there too.

FROM python:3.11-slim AS build

WORKDIR /srv/segue
RUN python3 -m venv /opt/segue
COPY requirements/base.txt requirements/base.txt
RUN /opt/segue/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/base.txt
COPY . .
# Any key will do: nothing is signed or stored here.
RUN SECRET_KEY=only-for-this-step /opt/segue/bin/python manage.py collectstatic --noinput
RUN /opt/segue/bin/python -m compileall -q .


FROM python:3.11-slim

RUN groupadd --system --gid 10001 segue \
 && useradd --system --uid 10001 --gid segue --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin segue
COPY --from=build /opt/segue /opt/segue
# Files of the storage tools: a volume, which all processes share.
RUN install --directory --owner=segue --group=segue /var/lib/segue/storage
# The code belongs to root: a process that is taken over cannot change it.
COPY --from=build /srv/segue /srv/segue
WORKDIR /srv/segue
ENV PATH=/opt/segue/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STORAGE_ROOT=/var/lib/segue/storage
USER segue
EXPOSE 8000
CMD ["gunicorn", "--config", "config/gunicorn.py", "--bind", "0.0.0.0:8000"]
