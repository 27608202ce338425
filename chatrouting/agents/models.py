"""Runs and what their tools did."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from chatrouting.agents.statuses import ACTIVE, UNFINISHED, Outcome, Priority, RunStatus
from chatrouting.threads.models import Thread, ThreadMessage


class Run(models.Model):
    """One execution of an agent. This row is the truth about it.

    Every transition is a compare-and-set on `(status, fence)`. `attempt` counts claims by workers,
    `handed_over` those of them that a stopped worker let go of,
    `fence` rises with each claim and once more at the end, `lease_until` says until when the claim of
    `worker` holds, `end_published_at` when the end was appended to the members' streams. `turn` orders
    the runs that wait in a thread. `waiting_since` is set from the moment the run waits for a person until
    a worker takes it again: that is no new attempt, and its deadline moves by that time. `retry_at`, which is
    `lease_until` then, is set while it rests. `retryable`: its agent says that it may be asked again.
    One that has ended outlives the account of its `user`, as what was said does.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="runs")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="runs"
    )
    agent = models.CharField(max_length=64)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.MESSAGE)
    status = models.CharField(max_length=10, choices=RunStatus.choices)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_text = models.CharField(max_length=500, blank=True)
    retryable = models.BooleanField(default=False, editable=False)
    trace_id = models.CharField(max_length=64, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    handed_over = models.PositiveIntegerField(default=0, editable=False)
    fence = models.PositiveIntegerField(default=0)
    turn = models.BigIntegerField(default=0, editable=False)
    question = models.OneToOneField(
        ThreadMessage, on_delete=models.CASCADE, related_name="asked_run"
    )
    answer = models.OneToOneField(
        ThreadMessage, on_delete=models.SET_NULL, null=True, related_name="answered_run"
    )
    answer_message_id = models.UUIDField(default=uuid.uuid4, editable=False)
    tools_used = models.JSONField(default=list)
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    admitted_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)
    worker = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    waiting_since = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    end_published_at = models.DateTimeField(null=True)

    class Meta:
        permissions: ClassVar = [
            ("stop_run", "Can stop runs"),
            ("retry_run", "Can ask the question of a run again"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["thread"],
                condition=Q(status__in=ACTIVE),
                name="chatrouting_one_active_run",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(status=RunStatus.COMPLETED),
                name="chatrouting_run_has_user",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status"], name="chatrouting_run_status"),
            models.Index(
                fields=["user", "status"],
                condition=Q(status__in=UNFINISHED),
                name="chatrouting_run_of_user",
            ),
            models.Index(fields=["created_at"], name="chatrouting_run_created"),
            models.Index(fields=["finished_at"], name="chatrouting_run_finished"),
            models.Index(fields=["thread", "status", "created_at"], name="chatrouting_run_queue"),
            models.Index(
                fields=["lease_until"],
                condition=Q(status=RunStatus.RUNNING),
                name="chatrouting_run_lease",
            ),
            models.Index(
                fields=["finished_at"],
                condition=Q(status=RunStatus.COMPLETED, end_published_at=None),
                name="chatrouting_run_unpublished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.id}"

    @property
    def username(self) -> str:
        """Whose run it is; empty where that account is gone."""
        return self.user.get_username() if self.user else ""


class SavedState(models.Model):
    """From where an unfinished run can go on. Deleted when it ends.

    `state` is the agent's own, as JSON, empty where it saved nothing; `text` and `thoughts` are what it had
    told by then, `calls` how many calls it had made without an id of its own. `shown_text` and
    `shown_thoughts` are what it had told when it began to wait.
    """

    run = models.OneToOneField(
        Run, on_delete=models.CASCADE, primary_key=True, related_name="saved_state"
    )
    state = models.TextField(blank=True)
    text = models.TextField(blank=True)
    thoughts = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    shown_text = models.TextField(blank=True)
    shown_thoughts = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"state of {self.run_id}"


class ToolCall(models.Model):
    """One call of a tool: written as `started` before the tool runs, ended after.

    `arguments` and `result` are masked, to be shown. The raw ones are JSON as the agent has it; they are
    emptied when the run ends. `result_bytes` is set where the result is too large
    for an event; then it stands whole in `result`.
    """

    class Status(models.TextChoices):
        STARTED = "started"
        WAITING = "waiting"
        OK = "ok"
        ERROR = "error"
        TIMEOUT = "timeout"
        INVALID_ARGUMENTS = "invalid_arguments"
        DENIED = "denied"
        INTERRUPTED = "interrupted"

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tool_calls")
    call_id = models.CharField(max_length=64)
    attempt = models.PositiveIntegerField()
    tool = models.CharField(max_length=64)
    arguments = models.JSONField(help_text="Masked: names that look secret have no value here.")
    raw_arguments = models.TextField(blank=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.STARTED)
    result = models.JSONField(null=True)
    result_bytes = models.PositiveBigIntegerField(null=True)
    raw_result = models.TextField(blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_text = models.TextField(blank=True)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "call_id"], name="chatrouting_call_once")
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.call_id}"


class Worker(models.Model):
    """A worker process. It is dead when it has not said anything for `process_dead_seconds`."""

    id = models.CharField(primary_key=True, max_length=64, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    queues = models.JSONField(default=list)
    concurrency = models.PositiveIntegerField()
    runs = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


OPEN = (ToolCall.Status.STARTED, ToolCall.Status.WAITING)


class Approval(models.Model):
    """A call that waits for the decision of the person who started the run. The first decision stands.

    `arguments`, where not empty, is the JSON that replaces those of the model. `expired`: nobody decided in
    time, or the run ended before.
    """

    class Decision(models.TextChoices):
        APPROVE = "approve"
        DENY = "deny"

    call = models.OneToOneField(
        ToolCall, on_delete=models.CASCADE, primary_key=True, related_name="approval"
    )
    expires_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    arguments = models.TextField(blank=True)
    by_connection = models.CharField(max_length=64, blank=True)
    expired = models.BooleanField(default=False)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        permissions: ClassVar = [("decide_call", "Can decide about calls of other people's runs")]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"], condition=Q(decision=""), name="chatrouting_undecided"
            )
        ]

    def __str__(self) -> str:
        return f"{self.call} {self.decision or 'undecided'}"


class DeadLetter(models.Model):
    """What did not come off: a run that ended so, or something its thread's members could not be told.

    A publication that fails for another reason than a Valkey that is away is `trying`, ever more slowly,
    until it is `dead` and waits for an operator. A run is dead at once: its tries are its attempts. `untold`: whom
    a publication is still to be told; null: everybody.
    """

    class Kind(models.TextChoices):
        RUN = "run"
        END = "end", "end of a run"
        MESSAGE = "message", "announcement of a message"

    class State(models.TextChoices):
        TRYING = "trying"
        DEAD = "dead"
        REPLAYED = "replayed"
        DISCARDED = "discarded"

    RESTING: ClassVar = (State.DEAD, State.DISCARDED)

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="dead_letters")
    state = models.CharField(max_length=10, choices=State.choices)
    tries = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    untold = models.JSONField(null=True)
    next_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)

    class Meta:
        permissions: ClassVar = [("decide_deadletter", "Can replay and discard dead letters")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "run"], name="chatrouting_letter_once")
        ]
        indexes: ClassVar = [models.Index(fields=["state"], name="chatrouting_letter_state")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.run_id}"

    @classmethod
    def held_back(cls, kind: Kind) -> models.QuerySet["DeadLetter", uuid.UUID]:
        """The ids of the runs whose publication of this kind is not to be tried now."""
        trying = Q(state=cls.State.TRYING, run__thread__deleted_at=None)
        later = trying & Q(next_at__gt=timezone.now())
        found = cls.objects.filter(later | Q(state__in=cls.RESTING), kind=kind)
        return found.values_list("run_id", flat=True)

    @classmethod
    def given_up(cls, kind: Kind) -> models.QuerySet["DeadLetter", uuid.UUID]:
        """The ids of the runs whose publication of this kind is tried no more by itself."""
        return cls.objects.filter(state__in=cls.RESTING, kind=kind).values_list("run_id", flat=True)
