"""A server that takes sockets and throws away what comes: what a flood costs the machine, and nobody else."""

import asyncio
import sys

from websockets.http11 import Request
from websockets.server import ServerProtocol

READ_BYTES = 65_536


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the handshake, then read to the end."""
    protocol = ServerProtocol()
    while not (came := protocol.events_received()):
        protocol.receive_data(await reader.read(READ_BYTES))
    (request,) = came
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    writer.writelines(protocol.data_to_send())
    while await reader.read(READ_BYTES):
        pass
    writer.close()


async def serve(port: int) -> None:
    """Until the process is ended."""
    server = await asyncio.start_server(take, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
