"""Plain data out of a pickle: lists, dictionaries, texts and numbers, and nothing that could run.

A pickle is a program; one that names a class or a function can do anything when it is loaded. Here every opcode is
looked at first, and all but those that build plain data are refused. The module knows no data set.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

from data_adapters.refusal import refusal, refusing

MAX_BYTES = 64 * 1024**2  # PathVQA's largest has 2 MB
# Names of pickletools.opcodes. None of them imports, calls, or reads outside of the file.
# fmt: off
PLAIN = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
}
# fmt: on


def load_plain(path: Path) -> Any:
    """The object in a pickle of plain data.

    Raises InputError, before anything is built, for a pickle that would import or call something.
    """
    expected = f"a pickle of plain data in {str(path)!r}"
    with refusing("an unreadable file", expected, "use the data set's official release"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise refusal(f"{size:,} bytes", f"{expected} of at most {MAX_BYTES:,}", "use the official release")
        data = path.read_bytes()
        _check(data, expected)
        return _Plain(io.BytesIO(data)).load()


def _check(data: bytes, expected: str) -> None:
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in PLAIN:
            raise refusal(f"the pickle opcode {opcode.name}, which could run code", expected, "do not trust this copy")
        # Writers number the memo upwards; a made-up number would have the unpickler allocate as many places.
        if opcode.name.endswith("PUT") and (argument is None or int(argument) > number):
            raise refusal("a pickle with a memo out of order", expected, "do not trust this copy")


class _Plain(pickle.Unpickler):
    """A second lock on the same door."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise refusal("a pickle that names a class", "a pickle of plain data", "do not trust this copy")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise refusal("a pickle that refers to other data", "a pickle of plain data", "do not trust this copy")
