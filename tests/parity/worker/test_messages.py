"""Messages between two processes: what arrives is what was sent."""

import socket
import threading

import ml_dtypes
import numpy as np
import pytest

from triport.converters.environment import MissingRuntimeError
from triport.parity.subjects.parameters import ParameterError
from triport.parity.worker.failures import RaisedThereError, check_answer, words_of
from triport.parity.worker.messages import is_plain, receive, send
from triport.reference_models.errors import TriportError

ARRAYS = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float16": np.arange(6, dtype=np.float16),
    "int64, large": np.array([2**62]),
    "bool": np.array([True, False]),
    "a number": np.array(0.5),
    "nothing": np.empty((0, 3), np.float32),
    "in pieces": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2].T,
    "bytes turned": np.arange(3, dtype=">f4"),
    "NaN": np.array([np.nan, -0.0, np.inf]),
}


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_arrives_as_it_was_sent(ends, name):
    send(ends[0], {"do": "run"}, {name: ARRAYS[name]})
    words, arrays = receive(ends[1])
    assert words == {"do": "run"}
    assert list(arrays) == [name]
    assert (arrays[name].dtype, arrays[name].shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
    assert arrays[name].tobytes() == ARRAYS[name].tobytes()


def test_several_keep_their_order(ends):
    few = {name: ARRAYS[name] for name in ("bool", "nothing", "float16")}
    send(ends[0], {}, few)
    assert list(receive(ends[1])[1]) == list(few)


def test_more_than_fits_on_the_way_and_into_one_call(ends):
    many = {f"{number}": np.full(number % 700, number, np.float32) for number in range(3000)}
    many["large"] = np.arange(1_000_000)
    sending = threading.Thread(target=send, args=(ends[0], {}, many))
    sending.start()
    _, arrays = receive(ends[1])
    sending.join()
    assert list(arrays) == list(many)
    assert all(np.array_equal(arrays[name], many[name]) for name in many)


@pytest.mark.parametrize("sent", [0, 5, 20])
def test_an_end_that_is_closed_says_so(ends, sent):
    ends[0].sendall((b"\0" * 7 + b"\x40" + b" " * 64)[:sent])
    ends[0].close()
    with pytest.raises(EOFError):
        receive(ends[1])


@pytest.mark.parametrize(
    ("dtype", "plain"),
    [("float32", True), ("int8", True), ("bool", True), (ml_dtypes.bfloat16, False), ("U3", False)],
)
def test_dtypes_whose_text_says_all(dtype, plain):
    assert is_plain({"x": np.zeros(2, dtype)}) is plain


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MissingRuntimeError("install it"), MissingRuntimeError),
        (ParameterError("2 of 3 are missing"), TriportError),
        (MemoryError("too large"), MemoryError),
    ],
)
def test_what_something_is_done_about_is_of_its_kind_again(error, kind):
    with pytest.raises(kind, match=str(error)) as raised:
        check_answer(words_of(error))
    assert type(raised.value) is kind


def test_any_other_error_has_its_name_and_its_traceback():
    def broken():
        raise ValueError("odd shapes")

    try:
        broken()
    except ValueError as error:
        words = words_of(error)
    with pytest.raises(Exception, match=r"^odd shapes$") as raised:
        check_answer(words)
    assert type(raised.value).__name__ == "ValueError"
    assert isinstance(raised.value.__cause__, RaisedThereError)
    assert "in broken" in str(raised.value.__cause__)


def test_an_answer_raises_nothing():
    check_answer({"seconds": 1.0})
