"""Read and prepare the next chunk of a file while the database writes the one before it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any

from django.utils import translation

from brands.wall import scope
from members.imports.files import Chunk
from tenants.connection import connection
from tenants.context import tenant_transaction
from tenants.models import Tenant

# How long a thread that computes may keep the one waiting whose statement has ended: Python's own
# 5 ms, some forty times in a chunk, would be a tenth of its time.
_SWITCH_SECONDS = 0.0005
# After how many objects more Python looks for cycles: rows make none, and a chunk has some hundred
# times as many objects as it would look at by itself.
_GARBAGE = 100_000


@dataclass
class PreparedChunk(Chunk):
    """Be a chunk with what its writer made of it beforehand."""

    prepared: Any = None


@dataclass
class _Failed:
    """Hand over what the reader stopped at."""

    error: BaseException


class _Reader:
    """Share the chunks between the thread that reads and the one that writes."""

    def __init__(self, tenant: Tenant, writer: object, chunks: Iterator[Chunk]) -> None:
        self.tenant = tenant
        self.writer = writer
        self.chunks = chunks
        self.language = translation.get_language()
        # The next chunk is begun when the one before it was taken: what is prepared knows of all
        # chunks but the one that is being written.
        self.wanted = Semaphore(1)
        self.is_over = False
        self.ready: SimpleQueue[Chunk | _Failed | None] = SimpleQueue()

    def read(self) -> None:
        """Hand over one chunk after the other, then None or what went wrong."""
        last: _Failed | None = None
        try:
            with translation.override(self.language):
                while self.wanted.acquire() and not self.is_over:
                    chunk = next(self.chunks, None)
                    if chunk is None:
                        break
                    self.ready.put(_prepared(self.tenant, self.writer, chunk))
                    del chunk
        except BaseException as error:  # noqa: BLE001 - raised again where the chunk was awaited
            last = _Failed(error)
        finally:
            connection.close()
            self.ready.put(last)

    def take(self) -> Iterator[Chunk]:
        """Yield the chunks as they come; raise what the reader stopped at."""
        while (found := self.ready.get()) is not None:
            if isinstance(found, _Failed):
                raise found.error
            self.wanted.release()
            yield found
            del found

    def end(self) -> None:
        """Let the thread end after the chunk that it is at."""
        self.is_over = True
        self.wanted.release()


@contextmanager
def read_ahead(
    tenant: Tenant, writer: object, chunks: Iterator[Chunk]
) -> Iterator[Iterator[Chunk]]:
    """Give the chunks in their order, read by a thread that is one chunk ahead at most.

    Where the writer can prepare chunks they come prepared, by what the database held when they
    were read: the writer looks whether it still does. The thread has a connection of its own, and
    has ended when the block ends.
    """
    reader = _Reader(tenant, writer, chunks)
    thread = Thread(target=reader.read, name="import-reader")
    before, collected = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(_GARBAGE, *collected[1:])
    thread.start()
    try:
        yield reader.take()
    finally:
        reader.end()
        thread.join()
        sys.setswitchinterval(before)
        gc.set_threshold(*collected)


def _prepared(tenant: Tenant, writer: object, chunk: Chunk) -> Chunk:
    prepare = getattr(writer, "prepare", None)
    if prepare is None:
        return chunk
    with tenant_transaction(tenant), scope.bulk(reason="import"):
        made = prepare(chunk)
    said = {one.name: getattr(chunk, one.name) for one in fields(Chunk)}
    return PreparedChunk(**said, prepared=made)
