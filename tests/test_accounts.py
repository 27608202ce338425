"""Which models stand for accounts."""

from django.contrib.auth import get_user_model

from chatrouting.accounts import account_models, account_tables
from tests.proxies import a_proxy


def test_a_proxy_of_the_user_model_is_one_of_them():
    with a_proxy() as model:
        assert {get_user_model(), model} <= set(account_models())
        assert {get_user_model(), model} <= set(account_tables())
