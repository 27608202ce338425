"""Probes and monitors reach a process by its own address, which is no host name of the site."""

from typing import Any

from django.http import HttpRequest
from django.middleware import common

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which refuses foreign `Host` headers; but not to probes, which make no use of it."""

    def process_request(self, request: HttpRequest) -> Any:
        """Check the host, and the slash at the end, of everything else."""
        return None if request.path_info in PROBES else super().process_request(request)
