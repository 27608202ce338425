"""The processes that tests start."""

import http.client
import subprocess
import sys

from django.conf import settings

from chatrouting.testing.system import HOST, wait_until

STARTS_A_WEB_PROCESS = """
import sys, time
from pathlib import Path
import django
django.setup()
from chatrouting.testing.system import System
print(System(Path(sys.argv[1])).web().port, flush=True)
time.sleep(60)
"""


def answers(port):
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_they_end_with_a_killed_test_run(services, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_WEB_PROCESS, str(tmp_path)],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
    ) as run:
        try:
            port = int(run.stdout.readline())
            assert answers(port)
        finally:
            run.kill()
    wait_until(lambda: not answers(port), "the end of the web process")
