"""What a process has loaded when it begins is there until it ends: the collector need not look at it again.

Now and then CPython looks at every object for those that refer to each other and are of no use to anybody.
After Django, the rooms and the admin are loaded that is 100 000 objects, and holds up all that the process does
for 40 to 75 ms, as often as a quarter as many have come.
"""

import gc


def spare_what_is_loaded() -> None:
    """Leave what is there now out of every later look. Takes as long as one."""
    gc.collect()
    gc.freeze()
