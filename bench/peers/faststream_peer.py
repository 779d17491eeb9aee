"""FastStream with SQLAlchemy and asyncpg on uvloop: a subscriber that acknowledges after its commit.

``consume`` and ``publish`` are two programs of one work. They run in the peers' environment, know nothing
of Homeward, and are told what to do as ``bench/parts.py`` says.
"""

import asyncio
import json
import os
import sys
import time

import tables
import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

#: Events in hand at once, as many as Homeward has.
PREFETCH = 100
#: Events whose confirm is awaited at once.
IN_FLIGHT = 100

broker = RabbitBroker(
    os.environ["PEER_BROKER"], default_channel=Channel(prefetch_count=PREFETCH), logger=None
)
engine = create_async_engine(os.environ["PEER_DATABASE"], pool_size=20, max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)
queue = RabbitQueue("short_weeks", durable=True)
wait = float(os.environ.get("PEER_WAIT", "0"))


async def keep_short_week(payload: dict) -> None:
    """Keep a week under the floor."""
    if wait:
        await asyncio.sleep(wait)
    async with Session() as db:
        db.add(tables.short_week_of(payload))
        await db.commit()


async def publish(told: dict) -> dict:
    """Publish short weeks, many confirms awaited at once, or evenly."""
    began = time.monotonic()
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with room:
            await broker.publish(tables.payload_of_short_week(), queue=queue, persist=True)

    async with asyncio.TaskGroup() as tasks:
        for place in range(told["number"]):
            if told.get("per_second"):
                await asyncio.sleep(max(0.0, began + place / told["per_second"] - time.monotonic()))
            elif place % IN_FLIGHT == 0:
                await asyncio.sleep(0)
            tasks.create_task(one())
    return {"seconds": time.monotonic() - began}


async def main(what: str) -> None:
    """Serve until standard input ends."""
    if what == "consume":
        broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)(keep_short_week)
    await broker.start()
    print(json.dumps({"ready": True}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await publish(json.loads(line)) if what == "publish" else {}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
