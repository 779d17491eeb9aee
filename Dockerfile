# One image for every process of Homeward: the command says which services it hosts.
FROM python:3.11-slim AS build
WORKDIR /homeward
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md alembic.ini ./
COPY gateway gateway
COPY homeward homeward
COPY services services
COPY shared shared
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /homeward --shell /usr/sbin/nologin homeward
COPY --from=build /venv /venv
COPY --from=build /homeward /homeward
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /homeward
USER homeward
# SIGTERM finishes what is in hand.
STOPSIGNAL SIGTERM
ENTRYPOINT ["homeward"]
CMD ["--help"]
