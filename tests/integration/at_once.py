"""A client that does not wait: its first frames leave as soon as the handshake is answered."""

import asyncio
import json
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri


async def connect_and_say(url, headers, texts, until):
    """Connect and send these texts without looking at what comes; return the frames that came, as objects.

    Reads until `until(frames)` holds or the server ends the connection, 10 s at most.
    """
    address = urlsplit(url)
    protocol = ClientProtocol(parse_uri(url))
    request = protocol.connect()
    request.headers.update(headers)
    protocol.send_request(request)
    said = [Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in texts]
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.writelines(protocol.data_to_send())
    frames = []
    async with asyncio.timeout(10):
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        writer.writelines(said)
        while not until(frames) and (data := await _read(reader)):
            protocol.receive_data(data)
            came = protocol.events_received()
            frames += [json.loads(each.data) for each in came if _is_text(each)]
            writer.writelines(protocol.data_to_send())
    writer.close()
    return frames


async def _read(reader):
    """What came; nothing at the end, which a server may make abruptly once both have said close."""
    try:
        return await reader.read(65_536)
    except ConnectionResetError:
        return b""


def _is_text(event):
    return isinstance(event, Frame) and event.opcode is Opcode.TEXT
