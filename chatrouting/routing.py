"""Everything a client may say, and who answers it: the whole table."""

from chatrouting.chat import broadcasts, conversation, members, reading, threads
from chatrouting.chat.context import Context
from chatrouting.chat.member_messages import AddMember, RemoveMember, UserTyping
from chatrouting.chat.messages import (
    ListThreads,
    RunStatusAsked,
    SendBroadcast,
    StartAgent,
    StopAgent,
    ThreadHistory,
    UserMessage,
)
from chatrouting.chat.thread_messages import CreateThread, DeleteThread, RenameThread
from chatrouting.connections import liveness
from chatrouting.connections.messages import Heartbeat, Ping, Subscribe
from routing_core.router import Route, Router

# Replies, events and signals of the protocol: a client that sends one is told that it may not.
SERVER_TYPES = (
    "agent_completed", "agent_delta", "agent_error", "agent_started", "agent_thinking",
    "approval_required", "approval_resolved", "broadcast_sent", "bye", "decision_recorded", "error",
    "heartbeat_ack", "members", "members_changed", "message_accepted", "message_added", "pong",
    "presence", "run_queued", "run_stopping", "subscribed", "system_message", "thread_created",
    "thread_deleted", "thread_list", "thread_removed", "thread_renamed", "thread_updated",
    "tool_completed", "tool_executing", "typing", "typing_noted", "welcome",
)  # fmt: skip

router: Router[Context] = Router(
    [
        Route(UserMessage, conversation.user_message),
        Route(StartAgent, conversation.start_agent),
        Route(StopAgent, conversation.stop_agent),
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
    server_types=SERVER_TYPES,
)
