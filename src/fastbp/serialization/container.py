"""The bytes of a saved model: safetensors (https://github.com/huggingface/safetensors) with a JSON
document in its metadata.

The document begins with a checksum of the whole file, computed with zeros in its own place. Reading
refuses anything that is not exactly as written: the safetensors library accepts repeated keys and
does not check values.
"""

import hashlib
import json

import numpy as np
import safetensors
import safetensors.numpy

from ..base.strict_json import parse, require_ints, require_keys

KEY = "fastbp"
MAX_HEADER_BYTES = 1 << 20  # room for about 4,000 layers
DTYPES: dict[str, np.dtype] = {"F32": np.dtype(np.float32), "F64": np.dtype(np.float64)}
_BLANK = "0" * 64
# What precedes the checksum in the header, in which the document is a string.
_PREFIX = json.dumps('{"sha256": "')[1:-1].encode()


def pack(document, arrays):
    """A document and arrays as a file.

    Parameters
    ----------
    document : dict of values of JSON
    arrays : dict of str to ndarray, float32 or float64

    Returns
    -------
    list of bytes
        Consecutive parts of the file.
    """
    text = json.dumps({"sha256": _BLANK} | document, allow_nan=False)
    content = safetensors.numpy.save(arrays, {KEY: text})
    size = int.from_bytes(content[:8], "little")
    if size > MAX_HEADER_BYTES:
        raise ValueError(
            f"the net has too many layers to be saved: its description takes {size} bytes of "
            f"{MAX_HEADER_BYTES}"
        )
    at = _checksum_offset(content[: 8 + size])
    view = memoryview(content)
    return [view[:at], _checksum(view, at), view[at + len(_BLANK) :]]


def read_header(content):
    """Check the bytes of a file and read its header.

    Returns
    -------
    document : dict
    entries : dict of str to (dtype, tuple of int)
        Dtype and shape of each array.

    Raises
    ------
    ValueError
        If anything in the file is not as `pack` writes it.
    """
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(MAX_HEADER_BYTES, len(content) - 8):
        raise ValueError("it is not a safetensors file, or not all of it is there")
    at = _checksum_offset(content[: 8 + size])
    if bytes(content[at : at + len(_BLANK)]) != _checksum(memoryview(content), at):
        raise ValueError("it is damaged: its checksum is not that of its content")
    header = parse(content[8 : 8 + size].decode("utf-8"))
    metadata = require_keys("the header's metadata", header.pop("__metadata__", None), [KEY])
    if not isinstance(metadata[KEY], str):
        raise ValueError(f"the header's metadata must be text, got {metadata[KEY]!r:.200}")
    entries = {}
    end = 0
    for name, entry in header.items():
        require_keys(f"the entry of {name}", entry, ["dtype", "shape", "data_offsets"])
        dtype = entry["dtype"]
        shape = require_ints(f"the shape of {name}", entry["shape"])
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise ValueError(
                f"the dtype of {name} must be one of {', '.join(DTYPES)}, got {dtype!r}"
            )
        count = 1
        for n in shape:
            count = min(count * n, len(content))  # bounds the product of huge numbers
        begin = end
        end += count * DTYPES[dtype].itemsize
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
    """The arrays of a file that `read_header` has accepted, by name."""
    try:
        return safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def _checksum_offset(head):
    """Offset of the checksum in a file of which `head` is all up to the end of the header."""
    at = head.find(_PREFIX) + len(_PREFIX)
    if at < len(_PREFIX) or at + len(_BLANK) > len(head):
        raise ValueError("it is not a file that fastbp has saved")
    return at


def _checksum(view, at):
    """SHA-256 of a file with zeros in the place of the checksum at offset `at`, in hexadecimal."""
    digest = hashlib.sha256(view[:at])
    digest.update(_BLANK.encode())
    digest.update(view[at + len(_BLANK) :])
    return digest.hexdigest().encode()
