"""The bytes of a saved model: safetensors (https://github.com/huggingface/safetensors) with a JSON
document in its metadata.

The document begins with a checksum of the whole file, taken with zeros in its own place. Whatever
is read is refused unless it is exactly what would have been written: the library itself accepts
keys that come twice, and looks at no values.
"""

import hashlib
import json

import numpy as np
import safetensors
import safetensors.numpy

from ..base.strict_json import parse, require_ints, require_keys

KEY = "fastbp"
MAX_HEADER = 1 << 20  # bytes; some 4,000 layers
DTYPES: dict[str, np.dtype] = {"F32": np.dtype(np.float32), "F64": np.dtype(np.float64)}
_BLANK = "0" * 64
# as it stands in the header, where the document is a string
_BEFORE = json.dumps('{"sha256": "')[1:-1].encode()


def pack(document, arrays):
    """A file of these.

    Parameters
    ----------
    document : dict of what JSON has
    arrays : dict of str to ndarray, float32 or float64

    Returns
    -------
    list of bytes
        Parts of the file, in order.
    """
    text = json.dumps({"sha256": _BLANK} | document, allow_nan=False)
    content = safetensors.numpy.save(arrays, {KEY: text})
    size = int.from_bytes(content[:8], "little")
    if size > MAX_HEADER:
        raise ValueError(
            f"the net has too many layers to be saved: its description takes {size} bytes of {MAX_HEADER}"
        )
    at = _checksum_at(content[: 8 + size])
    view = memoryview(content)
    return [view[:at], _checksum(view, at), view[at + len(_BLANK) :]]


def read_header(content):
    """The document of a file, and what its header says of each array: {name: (dtype, shape)}.

    Raises
    ------
    ValueError
        If anything about the file is not as it was written.
    """
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(MAX_HEADER, len(content) - 8):
        raise ValueError("it is not a safetensors file, or not all of it is there")
    at = _checksum_at(content[: 8 + size])
    if bytes(content[at : at + len(_BLANK)]) != _checksum(memoryview(content), at):
        raise ValueError("it is damaged: its checksum is not that of its content")
    header = parse(content[8 : 8 + size].decode("utf-8"))
    metadata = require_keys("the header's metadata", header.pop("__metadata__", None), [KEY])
    if not isinstance(metadata[KEY], str):
        raise ValueError(f"the header's metadata must be text, got {metadata[KEY]!r:.200}")
    entries, end = {}, 0
    for name, entry in header.items():
        require_keys(f"the entry of {name}", entry, ["dtype", "shape", "data_offsets"])
        dtype, shape = entry["dtype"], require_ints(f"the shape of {name}", entry["shape"])
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise ValueError(
                f"the dtype of {name} must be one of {', '.join(DTYPES)}, got {dtype!r}"
            )
        count = 1
        for n in shape:
            count = min(count * n, len(content))  # so that no product grows without bound
        begin, end = end, end + count * DTYPES[dtype].itemsize
        if require_ints(f"the offsets of {name}", entry["data_offsets"]) != (begin, end):
            raise ValueError(
                f"the offsets of {name} must be [{begin}, {end}], got {entry['data_offsets']}"
            )
        entries[name] = DTYPES[dtype], shape
    if end != len(content) - 8 - size:
        raise ValueError(
            f"its arrays must take {end} bytes, but {len(content) - 8 - size} are there"
        )
    document = parse(metadata[KEY])
    if document.pop("sha256", None) is None:
        raise ValueError("its checksum is not where fastbp puts it")
    return document, entries


def read_arrays(content):
    """The arrays of a file that `read_header` has accepted."""
    try:
        return safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def _checksum_at(head):
    """Where in the file the checksum stands, given the file up to its header's end."""
    at = head.find(_BEFORE) + len(_BEFORE)
    if at < len(_BEFORE) or at + len(_BLANK) > len(head):
        raise ValueError("it is not a file that fastbp has saved")
    return at


def _checksum(view, at):
    digest = hashlib.sha256(view[:at])
    digest.update(_BLANK.encode())
    digest.update(view[at + len(_BLANK) :])
    return digest.hexdigest().encode()
