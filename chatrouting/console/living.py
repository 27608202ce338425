"""What lives now: web processes that were seen of late, and their connections."""

from django.db.models import Count, QuerySet

from chatrouting.connections.models import Connection, Process
from chatrouting.connections.registry import alive_since


def processes_alive() -> QuerySet[Process]:
    """The living processes, each with its number of `sockets`."""
    return Process.objects.filter(seen_at__gte=alive_since()).annotate(sockets=Count("connections"))


def connections_alive() -> QuerySet[Connection]:
    """The connections of living processes: what a dead one left behind is not shown."""
    return Connection.objects.filter(process__seen_at__gte=alive_since())
