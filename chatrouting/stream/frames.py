"""A text frame for any number of sockets: each of its forms is built at most once."""

SHORT, MEDIUM = 126, 65_536


class Frame:
    """`data` is the frame's text in UTF-8. A patient one may leave together with what follows it.

    `wire`: as it goes over the network, an unmasked, final text frame (RFC 6455, section 5.2).
    """

    __slots__ = ("_text", "data", "patient", "wire")

    def __init__(self, data: bytes, *, patient: bool = False) -> None:
        self.data = data
        self.patient = patient
        self.wire = _header(len(data)) + data
        self._text: str | None = None

    @property
    def text(self) -> str:
        """For a server's own `send`."""
        if self._text is None:
            self._text = self.data.decode()
        return self._text


def _header(length: int) -> bytes:
    if length < SHORT:
        return bytes((0x81, length))
    if length < MEDIUM:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")
