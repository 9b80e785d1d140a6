"""Servers that answer wrongly: the error says how, no other file is taken, and nothing is kept."""

import gzip
import hashlib

import pytest

from triport.converters.conversion import SHIPPED
from triport.converters.sources import SourceError, locate

CONTENT = SHIPPED.read_bytes()
CHANGED = bytes(reversed(CONTENT))
# what is sent of a piece that is cut off is lost
PIECE = 1 << 16
HALF = len(CONTENT) // 2 // PIECE * PIECE
HASHED = f"/w-{hashlib.sha256(CONTENT).hexdigest()[:8]}.ckpt"
PLAIN = "/w.ckpt"
# of a server that has another file since the first half was sent
REST = f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"


def answer(body=b"", status="200 OK", **headers):
    headers = {"Content_Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def first_half(**headers):
    return answer(CONTENT[:HALF], Content_Length=str(len(CONTENT)), **headers)


def second_half(content=CONTENT, content_range=REST, **headers):
    return answer(content[HALF:], "206 Partial Content", Content_Range=content_range, **headers)


@pytest.mark.parametrize("path", [PLAIN, HASHED])
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (answer(status="302 Found", Location="file:///etc/passwd"), "leads to an address that is not https"),
        (answer(status="302 Found", Location="http://198.51.100.1/w"), "is not encrypted"),
        (answer(b"abc", Content_Length="9" * 19), "has more than 16 GB"),
        (answer(b"abc", Content_Length="-5"), r"no answer that can be used: .*\(bad Content-Length\)"),
        (answer(CONTENT, Content_Encoding="gzip"), "what it sends is not compressed as it says"),
        (answer(b'{"error": "quota exceeded"}'), "JSON text that reports an error"),
        (answer(b"\n <HTML><HEAD><TITLE>Blocked</TITLE></HEAD></HTML>"), r"an HTML page \('Blocked'\)"),
        (answer(b"upstream connect error or disconnect/reset"), "it is a text, 'upstream connect error"),
        (answer(status="204 No Content"), "is empty: the server has nothing there"),
        (second_half(), "sends another part of the file than it is asked for"),
        (b"\x00\x01 no HTTP", "what it sends breaks off, or is not HTTP"),
        (b"", "what it sends breaks off, or is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc", "illegal chunk header"),
    ],
)
def test_a_wrong_answer_is_told_and_not_kept(serve, tmp_path, path, sent, words):
    server = serve(raw={path: [sent]})
    with pytest.raises(SourceError, match=words):
        locate(f"{server.address}{path}")
    assert not [one for one in (tmp_path / "cache").rglob("*") if one.suffix in (".ckpt", ".part")]


def test_redirects_in_a_circle_end(serve):
    server = serve(redirects={PLAIN: PLAIN})
    with pytest.raises(SourceError, match="leads from one address to the next without an end"):
        locate(f"{server.address}{PLAIN}")


@pytest.mark.parametrize("path", [PLAIN, HASHED])
def test_what_is_sent_compressed_is_opened(serve, path):
    server = serve(raw={path: [answer(gzip.compress(CONTENT), Content_Encoding="gzip")]})
    assert locate(f"{server.address}{path}").path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (first_half(ETag='"one"'), second_half(CHANGED, ETag='"two"')),
        (first_half(ETag='"one"'), second_half(CHANGED)),
        (first_half(), second_half(CHANGED)),
        (first_half(ETag='"one"'), second_half(CHANGED, f"{REST}0", ETag='"one"')),
    ],
    ids=["another mark", "no mark any more", "no mark", "another size"],
)
def test_halves_of_two_files_are_not_put_together(serve, first, second):
    """Where no hash is known, only the server can say that the rest is of the file that was begun."""
    server = serve(raw={PLAIN: [first, second, answer(CHANGED, ETag='"two"')]})
    assert locate(f"{server.address}{PLAIN}").path.read_bytes() == CHANGED


@pytest.mark.parametrize(("path", "mark"), [(HASHED, {}), (PLAIN, {"ETag": '"one"'})])
def test_the_rest_of_one_file_is_taken(serve, path, mark):
    server = serve(raw={path: [first_half(**mark), second_half(**mark), answer(status="500 Wrong")]})
    assert locate(f"{server.address}{path}").path.read_bytes() == CONTENT
    assert server.requests[1][2] == f"bytes={HALF}-"
