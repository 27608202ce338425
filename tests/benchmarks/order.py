"""Whether what came on one socket is whole: in order, nothing missing, nothing twice."""


class Order:
    """Follows the numbers on one socket, the first of which is `after` + 1."""

    __slots__ = ("last", "missing", "repeated")

    def __init__(self, after: int) -> None:
        self.last = after
        self.missing = 0
        self.repeated = 0

    def take(self, number: int) -> None:
        """The next number that came. A late one counts as missing, and as repeated."""
        if number == self.last + 1:
            self.last = number
        elif number > self.last:
            self.missing += number - self.last - 1
            self.last = number
        else:
            self.repeated += 1

    @property
    def faults(self) -> int:
        """How often a number did not follow the one before it by one."""
        return self.missing + self.repeated
