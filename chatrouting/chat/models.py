"""What makes a repeated message do its work once."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class Receipt(models.Model):
    """The answer given to a message, kept 24 h under the `id` the client gave it.

    `digest` is of the message's type and payload: the same `id` with another one is refused.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="receipts"
    )
    request_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    reply = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "request_id"], name="chatrouting_receipt_once")
        ]

    def __str__(self) -> str:
        return self.request_id
