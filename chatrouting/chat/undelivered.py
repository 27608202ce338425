"""What an operator makes of a broadcast that a user's stream refused: try it again, or let it rest."""

from django.utils import timezone

from chatrouting.chat.models import Undelivered


def replay(undelivered: Undelivered) -> None:
    """Have it tried again soon. Raises `ValueError` where it was delivered or discarded meanwhile."""
    if not Undelivered.objects.filter(pk=undelivered.pk).update(due_at=timezone.now()):
        raise ValueError("It was delivered or discarded before.")


def discard(undelivered: Undelivered) -> None:
    """Tell that user no more of it. Raises `ValueError` as `replay`."""
    removed, _ = Undelivered.objects.filter(pk=undelivered.pk).delete()
    if not removed:
        raise ValueError("It was delivered or discarded before.")
