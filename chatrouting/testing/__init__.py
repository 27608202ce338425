"""What a project's own tests can use: a client that speaks the protocol, people, real processes.

Needs `websockets`, which running the project does not.
"""
