"""What goes to the hub, and that no token gets into a message. The hub itself is never called."""

import huggingface_hub
import pytest

from publishing import push as module
from publishing.push import PushError, push, upload_list

TOKEN = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"


class Api:
    """Records what it is asked for, or refuses."""

    def __init__(self, error=None):
        self.error = error
        self.calls = []

    def create_repo(self, repo_id, **options):
        self.calls.append(("create_repo", repo_id, options))

    def upload_folder(self, **options):
        self.calls.append(("upload_folder", options["repo_id"], options))
        if self.error:
            raise self.error
        return huggingface_hub.CommitInfo(
            commit_url="https://huggingface.co/me/digits/commit/1",
            commit_message="",
            commit_description="",
            oid="1",
        )


@pytest.fixture
def api(monkeypatch):
    made = Api()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return made


def test_exactly_the_manifests_files_are_uploaded(folder, api):
    (folder / "notes.txt").write_text("mine")
    assert push(folder, "me/digits") == "https://huggingface.co/me/digits/commit/1"
    (_, repository, made), (_, _, uploaded) = api.calls
    assert repository == "me/digits" and made["exist_ok"]
    assert uploaded["folder_path"] == folder
    assert uploaded["allow_patterns"] == [name for name, _ in upload_list(folder)]
    assert "triport.json" in uploaded["allow_patterns"] and "notes.txt" not in uploaded["allow_patterns"]
    assert not any("token" in options for _, _, options in api.calls)


@pytest.mark.parametrize(
    "text", [f"401 for {TOKEN}", f"Authorization: Bearer {TOKEN}", "authorization: bearer abcdef"]
)
def test_no_token_in_a_message(folder, api, text):
    api.error = RuntimeError(text)
    with pytest.raises(PushError, match=r"the upload failed: RuntimeError: .*\[token\]") as caught:
        push(folder, "me/digits")
    assert TOKEN not in str(caught.value) and "abcdef" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert "hf upload me/digits" in str(caught.value)


def test_a_token_of_another_form_is_the_users_own(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret-of-mine")
    assert module.without_tokens("refused: secret-of-mine") == "refused: [token]"


@pytest.mark.parametrize("name", ["digits", "a/b/c", "me/", "https://hub/me/x"])
def test_a_repository_is_owner_and_name(name):
    with pytest.raises(PushError, match="expected OWNER/NAME"):
        module.check_repository(name)
