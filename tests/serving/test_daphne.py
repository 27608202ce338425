"""daphne as this project runs it."""

import http.client


def test_a_client_cannot_name_the_prefix_of_the_site(web):
    """Row 4: a header of daphne's own makes no other address of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=5)
    connection.request("GET", "/evil/healthz", headers={"Daphne-Root-Path": "/evil"})
    status = connection.getresponse().status
    connection.close()
    assert status == 404
