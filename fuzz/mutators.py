"""Mutations of files that are protobuf messages: of bytes, and of fields, which leaves them readable."""

from __future__ import annotations

import random
from typing import Any

from google.protobuf import descriptor

HOSTILE_TEXTS = (
    "\x00",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202e",
    "\r\n",
    "x" * 80_000,
    "%s{}",
    "../../x",
    "\ud7ff",
)
NUMBERS = (0, 1, -1, 2, 3, 7, 127, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))


def mutate_bytes(content: bytes, generator: random.Random) -> bytes:
    """Flip, cut, repeat or splice bytes."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        position = generator.randrange(len(data))
        kind = generator.randrange(6)
        if kind == 0:
            data[position] ^= 1 << generator.randrange(8)
        elif kind == 1:
            data[position] = generator.randrange(256)
        elif kind == 2:
            del data[position : position + generator.choice((1, 2, 8, 64))]
        elif kind == 3:
            data[position:position] = generator.randbytes(generator.choice((1, 2, 8, 64)))
        elif kind == 4:
            source = generator.randrange(len(data))
            length = generator.choice((1, 8, 64, 512))
            data[position : position + length] = data[source : source + length]
        elif generator.random() < 0.2:
            del data[position:]
    return bytes(data)


def iterate_messages(message: Any, depth: int = 0) -> list[Any]:
    """Return a message and all that it holds."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == descriptor.FieldDescriptor.TYPE_MESSAGE and depth < 12:
            for item in value if field.is_repeated else [value]:
                found += iterate_messages(item, depth + 1)
    return found


def mutate_fields(content: bytes, generator: random.Random, kind: type, texts: tuple[str, ...] = ()) -> bytes:
    """Change the values of fields: numbers, names, element types; drop, repeat and move messages.

    Args:
        content: a serialised message.
        generator: decides what is changed.
        kind: the message's class.
        texts: what else a string may become.
    """
    model = kind()
    model.ParseFromString(content)
    messages = iterate_messages(model)
    for _ in range(generator.choice((1, 1, 2, 4))):
        message = generator.choice(messages)
        fields = message.ListFields()
        if not fields:
            continue
        field, value = generator.choice(fields)
        try:
            mutate_field(message, field, value, messages, generator, texts)
        except (ValueError, TypeError, IndexError, AttributeError):
            continue  # the field does not take it
    return model.SerializePartialToString()


def mutate_field(
    message: Any,
    field: Any,
    value: Any,
    messages: list[Any],
    generator: random.Random,
    texts: tuple[str, ...] = (),
) -> None:
    """Change one field."""
    kind = generator.randrange(4)
    integers = (descriptor.FieldDescriptor.CPPTYPE_INT32, descriptor.FieldDescriptor.CPPTYPE_INT64)
    floats = (descriptor.FieldDescriptor.TYPE_FLOAT, descriptor.FieldDescriptor.TYPE_DOUBLE)
    if kind == 0:
        message.ClearField(field.name)
    elif field.is_repeated and kind == 1:
        del value[generator.randrange(len(value))]
    elif field.is_repeated and kind == 2:
        if field.type == descriptor.FieldDescriptor.TYPE_MESSAGE:
            value.add().CopyFrom(generator.choice(value))
        else:
            value.append(generator.choice(value))
    elif field.cpp_type in integers:
        put(message, field, value, generator.choice(NUMBERS), generator)
    elif field.type == descriptor.FieldDescriptor.TYPE_STRING:
        others = [getattr(other, "name", "") for other in generator.choices(messages, k=3)]
        text = generator.choice([*others, "", "REF::x", *HOSTILE_TEXTS, *texts])
        if generator.random() < 0.5:
            before = value[0] if field.is_repeated else value
            text = before + text
        put(message, field, value, text, generator)
    elif field.type == descriptor.FieldDescriptor.TYPE_BYTES and field.name in ("s", "strings"):
        put(message, field, value, generator.choice((*HOSTILE_TEXTS, *texts)).encode(), generator)
    elif field.type == descriptor.FieldDescriptor.TYPE_ENUM and not field.is_repeated:
        setattr(message, field.name, generator.randrange(41))
    elif field.type in floats:
        put(message, field, value, generator.choice((0.0, -1.0, 1e30, float("nan"), float("inf"))), generator)


def put(message: Any, field: Any, value: Any, content: Any, generator: random.Random) -> None:
    """Set a field, or one element of it."""
    if field.is_repeated:
        value[generator.randrange(len(value))] = content
    else:
        setattr(message, field.name, content)


def mutate_sizes(content: bytes, generator: random.Random, kind: type) -> bytes:
    """Change one number wherever it is: sizes that agree with each other, and are not the data's."""
    model = kind()
    model.ParseFromString(content)
    messages = iterate_messages(model)
    sizes = [size for message in messages for size in getattr(message, "dims", ())]
    if sizes:
        old, new = generator.choice(sizes), generator.choice(NUMBERS)
        for message in messages:
            for name in ("dims", "ints"):
                values = getattr(message, name, None)
                for index, size in enumerate(values or ()):
                    if size == old:
                        values[index] = new
            if message.DESCRIPTOR.name == "AttributeProto" and message.i == old and message.HasField("i"):
                message.i = new
    return model.SerializePartialToString()
