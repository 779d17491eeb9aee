"""FastAPI with SQLAlchemy and asyncpg, reading and writing directly; uvicorn with uvloop and httptools.

``python fastapi_peer.py WORKERS`` serves until standard input ends.
"""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import date, datetime
from pathlib import Path

import tables
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine(os.environ["PEER_DATABASE"], pool_size=20, max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class NewSite(BaseModel):
    """A site that is to be opened."""

    name: str
    time_zone: str
    levels_licensed: list[str]


class Site(NewSite):
    """A site of the program."""

    model_config = ConfigDict(from_attributes=True)
    site_id: str
    opened_at: datetime


class Patient(BaseModel):
    """Somebody in the program."""

    model_config = ConfigDict(from_attributes=True)
    patient_id: str
    journey_id: str
    given_name: str
    family_name: str
    birth_date: date
    phone: str | None
    email: str | None
    sex: str
    registered_at: datetime


@app.get("/v1/patients/{patient_id}", response_model=Patient)
async def get_patient(patient_id: str) -> tables.Patient:
    """Read one record."""
    async with Session() as db:
        patient = await db.get(tables.Patient, patient_id)
    if patient is None:
        raise HTTPException(404)
    return patient


@app.post("/v1/sites", response_model=Site, status_code=201)
async def open_site(site: NewSite) -> tables.Site:
    """Write one record."""
    row = tables.site_of(site.model_dump())
    async with Session() as db:
        db.add(row)
        await db.commit()
    return row


def main(workers: str) -> None:
    """Serve until standard input ends."""
    port = os.environ["PEER_PORT"]
    command = [sys.executable, "-m", "uvicorn", "fastapi_peer:app", "--port", port, "--workers", workers]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=Path(__file__).parent, stdin=subprocess.DEVNULL)
    while server.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", int(port))) == 0:
                break
        time.sleep(0.1)
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.read()
    server.terminate()
    server.wait()


if __name__ == "__main__":
    main(sys.argv[1])
