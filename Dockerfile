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
# A container may keep nothing that it compiles, so each start would compile all of this again. pip has done the
# rest. Unchecked: whatever becomes of the files' times on their way into the image, these stay valid.
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash gateway homeward services shared

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
