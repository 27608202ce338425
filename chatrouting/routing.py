"""Everything a client may say, and who answers it: the whole table."""

from chatrouting.agents.messages import RUN_EVENTS
from chatrouting.chat import broadcasts, conversation, deciding, members, reading, threads
from chatrouting.chat.context import Context
from chatrouting.chat.decision_messages import DecideTool
from chatrouting.chat.member_messages import (
    AddMember,
    PresenceShown,
    RemoveMember,
    Typing,
    UserTyping,
)
from chatrouting.chat.messages import (
    ListThreads,
    MessageAdded,
    RunStatusAsked,
    SendBroadcast,
    StartAgent,
    StopAgent,
    SystemMessage,
    ThreadHistory,
    UserMessage,
)
from chatrouting.chat.thread_messages import CreateThread, DeleteThread, RenameThread
from chatrouting.connections import liveness
from chatrouting.connections.messages import Heartbeat, Ping, Subscribe, Welcome
from chatrouting.threads.messages import MembersChanged, ThreadRemoved, ThreadUpdated
from routing_core.closing import Bye
from routing_core.messages import ErrorPayload, Message
from routing_core.router import Route, Router

EVENTS: tuple[type[Message], ...] = (
    *RUN_EVENTS,
    MessageAdded,
    SystemMessage,
    ThreadUpdated,
    ThreadRemoved,
    MembersChanged,
)
SIGNALS: tuple[type[Message], ...] = (Welcome, Bye, ErrorPayload, Typing, PresenceShown)

router: Router[Context] = Router(
    [
        Route(UserMessage, conversation.user_message),
        Route(StartAgent, conversation.start_agent),
        Route(StopAgent, conversation.stop_agent),
        Route(DecideTool, deciding.decide_tool),
        Route(RunStatusAsked, reading.run_status),
        Route(ThreadHistory, reading.thread_history),
        Route(ListThreads, reading.list_threads),
        Route(CreateThread, threads.create_thread),
        Route(RenameThread, threads.rename_thread),
        Route(DeleteThread, threads.delete_thread),
        Route(SendBroadcast, broadcasts.broadcast),
        Route(AddMember, members.add_member),
        Route(RemoveMember, members.remove_member),
        Route(UserTyping, members.user_typing),
        Route(Subscribe, liveness.subscribe),
        Route(Ping, liveness.ping),
        Route(Heartbeat, liveness.heartbeat),
    ],
    events=EVENTS,
    signals=SIGNALS,
)
