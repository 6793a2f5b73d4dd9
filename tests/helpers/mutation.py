"""Files changed at random or on purpose, with a valid checksum."""

import json
import os

from fastbp.serialization import container


def sealed(content):
    """The content with its correct checksum, as in a forged file."""
    size = min(int.from_bytes(content[:8], "little"), len(content) - 8)
    try:
        at = container._checksum_offset(content[: 8 + size])
    except ValueError:
        return content
    return content[:at] + container._checksum(memoryview(content), at) + content[at + 64 :]


N_MUTATIONS = int(os.environ.get("FASTBP_MUTATIONS", "3000"))

WORDS = [
    b'"',
    b"{}",
    b"[",
    b"]",
    b",",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b'"x":1,',
    b"9" * 30,
    b"\xff",
    b"\\ud800",
]


def mutated(content, rng):
    content = bytearray(content)
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(header if rng.random() < 0.9 else len(content))
        kind = rng.randrange(4)
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            word = rng.choice(WORDS)
            content[at : at + len(word)] = word
        elif kind == 2:
            other = rng.randrange(8, header)
            content[at : at + 12] = content[other : other + 12]
        else:
            del content[at : at + rng.choice([1, 4, 40])]
            if rng.random() < 0.8:  # the header may be shorter without its length giving it away
                content[:8] = (int.from_bytes(content[:8], "little") - 1).to_bytes(8, "little")
    return sealed(bytes(content))


def changed(content, change):
    """The file after `change(header, document)`, with right lengths and checksum."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    document = json.loads(header["__metadata__"]["fastbp"])
    data = change(header, document)
    if isinstance((header.get("__metadata__") or {}).get("fastbp"), str):
        header["__metadata__"]["fastbp"] = json.dumps(document)
    text = json.dumps(header).encode()
    text = text.replace(b'{"__metadata__": {"fastbp": ', b'{"__metadata__":{"fastbp":')
    return sealed(
        len(text).to_bytes(8, "little") + text + (content[8 + size :] if data is None else data)
    )


def put(*keys, value):
    def change(header, document):
        place = {"header": header, "document": document}
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change
