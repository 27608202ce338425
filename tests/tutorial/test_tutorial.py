"""A project of one's own, on the installed packages, made by following the pages to the letter."""

import pytest

from tests.tutorial import projects
from tests.tutorial.pages import blocks, follow
from tests.tutorial.wheel import build, contents, install, sources

TUTORIAL = "tutorial/add-a-message-type.md"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory):
    """The project as the pages have it, and a way to run a command in it as the pages do."""
    packages, folder = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("project")
    install(wheel, packages)
    shell = projects.start(folder, packages)
    follow(TUTORIAL, folder)
    return shell


def test_the_wheel_has_every_file_of_the_packages(wheel):
    """Lua, templates, static files and migrations are found at run time only."""
    assert contents(wheel) == sources()


def test_the_message_is_answered_on_a_real_socket_of_the_other_project(project):
    """Row 31: a route that an app registers serves, and nothing of this repository was changed for it."""
    test, _ = blocks(TUTORIAL, "sh")
    done = project(test)

    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_its_reference_has_the_message(project):
    _, reference = blocks(TUTORIAL, "sh")
    done = project(f"{reference.strip()} && cat protocol.md")

    assert done.returncode == 0, done.stderr
    assert "### `count_words`\n\nCount the words of a text.\n\nAnswered by `words_counted`." in (
        done.stdout
    )


def test_the_other_project_uses_what_is_installed(project):
    done = project("python -c 'import chatrouting; print(chatrouting.__file__)'")

    assert "/packages" in done.stdout
