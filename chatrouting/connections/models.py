"""Who is connected, as the operator sees it."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models


class Process(models.Model):
    """A web process that holds sockets. It is dead when it has not said anything for 9 s."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Connection(models.Model):
    """One open socket. The row lives as long as the socket does.

    `session_digest` is a hash of the session's key, `position` the last seq the socket was sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="connections"
    )
    process = models.ForeignKey(Process, on_delete=models.CASCADE, related_name="connections")
    session_digest = models.CharField(max_length=64)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    opened_at = models.DateTimeField(db_index=True)
    seen_at = models.DateTimeField()
    position = models.BigIntegerField(default=0)

    class Meta:
        permissions: ClassVar = [("disconnect", "Can disconnect sockets")]

    def __str__(self) -> str:
        return str(self.id)


class Route(models.Model):
    """A row of the routing table. It stands in code, not in a table: this gives it a name and a permission."""

    type = models.CharField(primary_key=True, max_length=64)

    class Meta:
        managed = False
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.type


class Breaker(models.Model):
    """The breaker of a route. It stands in Valkey, not in a table: this gives it a name and permissions."""

    route = models.CharField(primary_key=True, max_length=64)

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions: ClassVar = [("reset_breaker", "Can reset breakers")]

    def __str__(self) -> str:
        return self.route
