"""What goes to the hub, and that no secret gets into a message; uploads: tests/field/test_hub.py."""

import huggingface_hub
import pytest

from triport.converters.hub import connected, reason_of, without_secrets
from triport.publishing.push import PushError, check_repository, upload_list

TOKEN = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"


def test_exactly_the_manifests_files_are_uploaded(folder):
    (folder / "notes.txt").write_text("mine")
    names = [name for name, _ in upload_list(folder)]
    assert "triport.json" in names and "notes.txt" not in names
    assert dict(upload_list(folder)) == {name: (folder / name).stat().st_size for name in names}


@pytest.mark.parametrize(
    "text",
    [
        f"401 for {TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        "authorization: bearer abcdef",
        "Basic YWJjZGVmOmFiY2RlZg==",
        "PUT https://storage/x?X-Amz-Signature=abcdef&other=abcdef",
        "sig=abcdef, and X-Amz-Credential=abcdef",
        "http://user:abcdef@hub/api",
    ],
)
def test_no_secret_in_a_message(text):
    said = without_secrets(text)
    assert TOKEN not in said and "abcdef" not in said and "YWJj" not in said


def test_a_message_is_one_bounded_printable_line():
    said = without_secrets("a\x1b[31m\nb" + "x" * 50_000)
    assert said.isprintable() and len(said) < 500


def test_a_token_of_another_form_is_the_users_own(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret-of-mine")
    assert without_secrets("refused: secret-of-mine") == "refused: [removed]"


def test_the_cause_says_more_than_what_wraps_it():
    response = type("Response", (), {"status_code": 403})()
    try:
        try:
            raise type("HubError", (Exception,), {"response": response})("no")
        except Exception as cause:
            raise RuntimeError("Error while uploading") from cause
    except RuntimeError as error:
        assert reason_of(error).startswith("HTTP 403: the hub does not allow it")


def test_the_client_is_as_it_was_afterwards():
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    with connected(lambda step: None):
        assert get_session().send.__name__ == "limited" and constants.HF_HUB_DISABLE_XET
    assert get_session().send.__name__ == "send" and not constants.HF_HUB_DISABLE_XET


@pytest.mark.parametrize(
    "name", ["digits", "a/b/c", "me/", "https://hub/me/x", "../x", "me/..", "-a/b", "me/\x1b"]
)
def test_a_repository_is_owner_and_name(name):
    with pytest.raises(PushError, match="expected OWNER/NAME"):
        check_repository(name)
