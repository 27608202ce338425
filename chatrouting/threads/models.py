"""Threads, who may read them, and what was said in them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models


class Thread(models.Model):
    """One conversation. `last_position` numbers its messages; it only grows.

    `title_version` counts the titles its members are to be told of, `title_told` is the last they were.
    One with `deleted_at` is there for nobody; the row goes when its members have been told of that.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="owned_threads"
    )
    title = models.CharField(max_length=200)
    title_version = models.PositiveIntegerField(default=0, editable=False)
    title_told = models.PositiveIntegerField(default=0, editable=False)
    last_position = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["updated_at"], name="chatrouting_thread_updated"),
            models.Index(
                fields=["updated_at"],
                condition=models.Q(title_told__lt=models.F("title_version")),
                name="chatrouting_thread_untold",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="chatrouting_thread_deleted",
            ),
        ]
        permissions: ClassVar = [("share", "Can add members to own threads")]

    def __str__(self) -> str:
        return self.title


class ThreadMember(models.Model):
    """A person who reads and writes a thread. The owner is a member too."""

    class Role(models.TextChoices):
        OWNER = "owner"
        MEMBER = "member"

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="thread_memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["thread", "user"], name="chatrouting_member_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.thread}"


class MembershipChange(models.Model):
    """Somebody joined or left a thread, and not all who are to be told have been; then the row goes.

    `members` is who was in the thread from then on. The thread may be gone before they are told, so
    `thread_id` is no foreign key; so may the person, who then has no `user`.
    """

    class Kind(models.TextChoices):
        JOINED = "joined"
        LEFT = "left"

    thread_id = models.UUIDField(db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    members = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user} {self.kind} {self.thread_id}"


class ThreadMessage(models.Model):
    """A finished message. An answer stands directly after its question, whenever it was finished.

    `position` orders a thread: a question takes an odd number when it is asked, its answer the even
    number that follows. `client_id` is the id a question came with, `announced_at` when the members' streams
    had it.
    """

    class Role(models.TextChoices):
        USER = "user"
        AGENT = "agent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    position = models.BigIntegerField()
    role = models.CharField(max_length=10, choices=Role.choices)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    author_name = models.CharField(max_length=200)
    content = models.TextField(blank=True)
    client_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    announced_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["thread", "position"], name="chatrouting_message_position"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="chatrouting_message_created"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(role="user", announced_at=None),
                name="chatrouting_message_late",
            ),
        ]

    def __str__(self) -> str:
        return self.content[:60]

    @property
    def is_first(self) -> bool:
        """Whether nothing was said in the thread before."""
        return self.position == 1
