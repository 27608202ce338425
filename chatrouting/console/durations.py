"""How long something took, for a person."""

from datetime import datetime, timedelta

from django.utils import timezone


def time_taken(begin: datetime | None, end: datetime | None) -> str:
    """Such as `1.4 s` or `0:03:20`; nothing where it has not begun, the time so far where it goes on."""
    if begin is None:
        return ""
    taken = (end or timezone.now()) - begin
    if taken < timedelta(minutes=1):
        return f"{taken.total_seconds():.1f} s"
    return str(timedelta(seconds=int(taken.total_seconds())))
