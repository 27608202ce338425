"""Some people and threads they share, and what they and their workers do there: one transaction each."""

import random
import uuid

from django.contrib.auth import get_user_model
from django.db.models import Q

from chatrouting.agents import approvals, claims, journal, removal, runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome, RunStatus
from chatrouting.chat import conversation, members, threads
from chatrouting.chat.member_messages import AddMember, RemoveMember
from chatrouting.chat.messages import UserMessage
from chatrouting.chat.thread_messages import RenameThread
from chatrouting.conf import chat_settings
from chatrouting.threads.models import Thread, ThreadMember
from routing_core.errors import NotFound, RoutingError
from tests.agents.accepted import a_person, a_thread
from tests.chat.asking import a_context
from tests.threads.test_membership import may_share

DONE = runs.Ending(Outcome.FAILED, "answer")
WORKERS = [uuid.uuid4().hex for _ in range(2)]
NOTHING_SHOWN = approvals.Shown("", 0, (), None)


class Crowd:
    """Each act chooses by a seed; what the rules refuse is refused."""

    def __init__(self, people: int = 3, shared: int = 3) -> None:
        self.people = [a_person() for _ in range(people)]
        for person in self.people:
            may_share(person)
        for _ in range(shared):
            self._share(random.choice(self.people))

    def act(self, seed: int, times: int) -> None:
        chance = random.Random(seed)
        for _ in range(times):
            act = chance.choices(list(ACTS), list(ACTS.values()))[0]
            try:
                act(self, chance)
            except (RoutingError, journal.RunOver):
                continue

    @property
    def unfinished(self):
        return self.runs.exclude(status=RunStatus.COMPLETED)

    @property
    def runs(self):
        ids = [person.id for person in self.people]
        return Run.objects.filter(Q(user_id__in=ids) | Q(thread__owner_id__in=ids))

    @property
    def threads(self):
        return Thread.objects.filter(owner_id__in=[person.id for person in self.people])

    def _share(self, owner):
        thread = a_thread(owner)
        for person in self.people:
            if person != owner:
                ThreadMember.objects.create(thread=thread, user_id=person.id)

    def _one(self, chance, found):
        there = list(found)
        if not there:
            raise NotFound
        return chance.choice(there)

    def say(self, chance):
        on_busy = chance.choice(["queue", "queue", "reject", "interrupt"])
        thread = self._one(chance, self.threads)
        message = UserMessage(content="hello", thread_id=thread.pk, on_busy=on_busy)
        context = a_context(chance.choice(self.people))
        for _ in range(chance.choice([1, 2])):  # some messages come twice
            conversation._accept(context, message)

    def begin_thread(self, chance):
        self._begin_thread(chance.choice(self.people))

    def _begin_thread(self, person):
        """Returns whether its run is at work or waits."""
        return conversation._accept(a_context(person), UserMessage(content="hello")).reply.status

    def overtake(self, chance):
        """One who has all at work that they may have asks where nothing is; somebody new interrupts there."""
        crowded = chance.choice(self.people)
        for _ in range(chat_settings().runs_per_user + 1):
            if self._begin_thread(crowded) == "queued":
                break
        thread, visitor = a_thread(crowded), a_person()
        ThreadMember.objects.create(thread=thread, user_id=visitor.id)
        for person, on_busy in ((crowded, "queue"), (visitor, "interrupt")):
            message = UserMessage(content="hello", thread_id=thread.pk, on_busy=on_busy)
            conversation._accept(a_context(person), message)

    def work(self, chance):
        running = self._one(chance, self.unfinished.filter(status=RunStatus.RUNNING))
        claimed = claims.claim(running.pk, chance.choice(WORKERS))
        if claimed is None:
            return
        journal.begin(claimed.run, uuid.uuid4().hex, "note", {})
        if chance.random() < 0.2:
            approvals.begin_waiting(claimed.run, NOTHING_SHOWN)

    def end(self, chance):
        runs.end(self._one(chance, self.unfinished.select_related("question")), DONE)

    def stop(self, chance):
        runs.request_stop(self._one(chance, self.unfinished))

    def come_and_go(self, chance):
        thread, person = self._one(chance, self.threads), chance.choice(self.people)
        context = a_context(self._owner(thread))
        given = {"thread_id": thread.pk, "username": person.name}
        members._remove(context, RemoveMember(**given))
        members._add(context, AddMember(**given))

    def rename(self, chance):
        thread = self._one(chance, self.threads)
        context = a_context(self._owner(thread))
        threads._rename(context.user.id, RenameThread(thread_id=thread.pk, title="other"))

    def delete(self, chance):
        thread = self._one(chance, self.threads)
        threads._delete(str(thread.owner_id), thread.pk)

    def conclude(self, chance):
        thread = self._one(chance, self.threads.filter(deleted_at__isnull=False))
        for run in thread.runs.filter(status=RunStatus.COMPLETED):
            runs.mark_published([run.pk])
        if removal._to_be_told(thread.pk) is not None:
            removal._forget(thread.pk)

    def come_and_depart(self, chance):
        """Two speak in threads of their own and in one of others, and both accounts are deleted at once."""
        visitors = [self._visit(chance) for _ in range(2)]
        ids = [visitor.id for visitor in visitors]
        get_user_model().objects.filter(pk__in=ids).delete()

    def _visit(self, chance):
        visitor, thread = a_person(), self._one(chance, self.threads)
        added = AddMember(thread_id=thread.pk, username=visitor.name)
        members._add(a_context(self._owner(thread)), added)
        own = a_thread(visitor)
        ThreadMember.objects.create(thread=own, user_id=chance.choice(self.people).id)
        for each in (own, thread, thread):
            message = UserMessage(content="hello", thread_id=each.pk)
            conversation._accept(a_context(visitor), message)
        return visitor

    def renew(self, chance):
        held = self._one(chance, self.unfinished.exclude(worker=""))
        theirs = self.unfinished.filter(worker=held.worker)
        claims.renew_leases(held.worker, list(theirs.values_list("pk", flat=True)))

    def _owner(self, thread):
        return next(person for person in self.people if person.id == str(thread.owner_id))


ACTS = {Crowd.say: 8, Crowd.begin_thread: 2, Crowd.overtake: 3, Crowd.work: 5, Crowd.end: 8, Crowd.stop: 1,
        Crowd.come_and_go: 3, Crowd.rename: 1, Crowd.delete: 1, Crowd.conclude: 2,
        Crowd.come_and_depart: 2, Crowd.renew: 2}  # fmt: skip
