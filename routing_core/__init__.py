"""What a message is and who handles it.

Pure: nothing here knows a socket, a clock, a database, a logger or an event loop. Time and randomness
come in as arguments. `apps`, `checks`, `live` and `management` are a thin Django skin around it.
"""
