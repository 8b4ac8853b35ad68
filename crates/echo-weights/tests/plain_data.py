"""Writes fixtures/plain_data.json: pickles of plain data, and what they hold.

    python crates/echo-weights/tests/plain_data.py OTHER_PYTHON...

Protocols and NumPy's versions write the same values in other ways: the script calls itself with each other Python that
is named. The fixture is of Python 3.11 with NumPy 2.4.6 and of Python 3.11 with NumPy 1.26.4.

Each case has a name, its value, and pickles of it in hexadecimal, in several protocols. None, bools, integers, texts
and lists are as in JSON; others are {"f32": BITS}, {"f64": BITS}, {"bytes": HEX} and {"dict": [[KEY, VALUE], ...]}.
"""

import collections
import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent / "fixtures/plain_data.json"


def described(value):
    if isinstance(value, np.float32):
        return {"f32": struct.pack(">f", value).hex()}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"f64": struct.pack(">d", value).hex()}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {"dict": [[described(key), described(of_key)] for key, of_key in value.items()]}
    return [described(member) for member in value]


def python() -> dict:
    shared = ["again"]
    return {
        "constants": [None, True, False],
        "integers": [0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**40, -(2**40), 2**63 - 1, -(2**63)],
        "floats": [0.0, -0.0, 1.5, -2.25e-300, 1e300, 0.1, 1e-5, float("inf"), float("-inf"), float("nan")],
        "texts": ["", "plain", "naïve", "心臓", "😀", "back\\slash", "line\nfeed\r\0\x1a", "\\u0041", "'\"", "x" * 300],
        "bytes": [b"", b"ab\n\\", bytes(range(256)), b"x" * 300],
        "lists": [[], [[]], list(range(3)), [[1, [2, [3]]]]],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))],
        "sets": [set(), {7}, frozenset(), frozenset(["a"])],
        "dicts": [{}, {"a": 1}, {1: "a", (2, 3): None, None: [1.5]}, collections.OrderedDict(b=1, a=2),
                  collections.defaultdict(list, a=[1])],
        "repeated": [shared, shared, (shared, shared)],
    }


def long() -> dict:
    """What is written in several parts, and numbers of objects that need more than a byte."""
    names = [str(number) for number in range(258)]
    return {"a long list": [0] * 1001, "many objects": names + names[-2:]}


def numpy() -> dict:
    grid = np.arange(6).reshape(2, 3)
    words = np.array(["one", None, 2.5, ["list"]], dtype=object)
    cases = {f"array of {kind}": np.array([0, 1, 100]).astype(kind)
             for kind in ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "U", "O"]}
    return cases | {
        "array of negative numbers": [np.array([-1, -128], dtype=kind) for kind in ("i1", "i2", "i4", "i8")],
        "array with NaN": np.array([0.1, np.nan, np.inf]),
        "array of two axes": grid,
        "array of three axes": np.arange(8.0).reshape(2, 2, 2),
        "array in Fortran's order": np.asfortranarray(grid),
        "transposed array": grid.T,
        "array with gaps": np.arange(10.0)[::3],
        "array of nothing": np.array([], dtype=np.float64),
        "array of texts": np.array(["", "one", "日本"]),
        "array of objects": words,
        "array of objects in Fortran's order": np.asfortranarray(np.array([["a", "b"], ["c", 4]], dtype=object)),
        "scalars": [np.float64(0.1), np.float32(0.1), np.int64(-5), np.int32(7), np.uint8(255), np.bool_(True),
                    np.str_("text")],
        "dict of scalars": {np.str_("a"): np.float64("nan"), "b": np.float64(55.5)},
    }


def cases() -> list:
    arrays = {f"{name} of NumPy {np.__version__}": value for name, value in numpy().items()}
    parts = [(arrays, (2, 5))]
    if np.__version__ >= "2":
        parts = [(python(), range(6)), (long(), (1, 4)), (arrays, (0, 4, 5))]
    found = []
    for values, protocols in parts:
        for name, value in values.items():
            pickles = [pickle.dumps(value, protocol).hex() for protocol in protocols]
            found.append({"name": name, "value": described(value), "pickles": pickles})
    return found


def main():
    if sys.argv[1:] == ["-"]:
        return print(json.dumps(cases()))
    found = cases()
    for interpreter in sys.argv[1:]:
        found += json.loads(subprocess.check_output([interpreter, __file__, "-"]))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(case) for case in found) + "\n]\n")
    print(f"{OUT}: {len(found)} cases")


if __name__ == "__main__":
    main()
