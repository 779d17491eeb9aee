"""Where the code of each service is; loads of it only what is asked for."""

import importlib

import sqlalchemy as sa


def package_of(service: str) -> str:
    """Return the package of a service: the gateway stands beside the others."""
    return "gateway" if service == "gateway" else f"services.{service}"


def service_class_of(service: str) -> type:
    """Return the one class of a service."""
    module = importlib.import_module(f"{package_of(service)}.service")
    found: type = getattr(module, service.capitalize())
    return found


def metadata_of(service: str) -> sa.MetaData:
    """Return the tables of a service."""
    metadata: sa.MetaData = importlib.import_module(f"{package_of(service)}.tables").metadata
    return metadata
