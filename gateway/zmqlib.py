"""libzmq as compiled code calls it: the very library that the pyzmq wheel carries, so that pyzmq's sockets can be used.

Buffers are passed as addresses. With ``NUMBA_DISABLE_JIT`` the same names are ctypes functions.
"""

import ctypes
import errno
from typing import Any, Final

import llvmlite.binding
import zmq
from numba import config, types

DONTWAIT: Final = int(zmq.DONTWAIT)
SEND_MORE: Final = int(zmq.SNDMORE) | int(zmq.DONTWAIT)
RCVMORE: Final = int(zmq.RCVMORE)
EAGAIN: Final = int(zmq.EAGAIN)
EINTR: Final = int(errno.EINTR)


def library_path() -> str:
    """The file that pyzmq has loaded libzmq from. Raises OSError when this process has not."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "libzmq" in line}
    if not paths:
        raise OSError("libzmq is not mapped: pyzmq must carry it as a shared library, as its wheels do")
    return min(paths)


def _functions() -> tuple[Any, Any, Any, Any]:
    path = library_path()
    llvmlite.binding.load_library_permanently(path)
    address, size, number = (types.intp, types.uintp, types.int32)
    if not config.DISABLE_JIT:
        return (
            types.ExternalFunction("zmq_recv", number(address, address, size, number)),
            types.ExternalFunction("zmq_send", number(address, address, size, number)),
            types.ExternalFunction("zmq_getsockopt", number(address, number, address, address)),
            types.ExternalFunction("zmq_errno", number()),
        )
    library = ctypes.CDLL(path)
    pointer, whole = ctypes.c_void_p, ctypes.c_size_t
    library.zmq_recv.argtypes = library.zmq_send.argtypes = [pointer, pointer, whole, ctypes.c_int]
    library.zmq_getsockopt.argtypes = [pointer, ctypes.c_int, pointer, pointer]
    recv, send, getsockopt, number_of = map(
        _plain, (library.zmq_recv, library.zmq_send, library.zmq_getsockopt, library.zmq_errno)
    )
    return recv, send, getsockopt, number_of


def _plain(function: Any) -> Any:
    """Numpy's integers are not what ctypes takes."""
    return lambda *arguments: function(*map(int, arguments))


zmq_recv, zmq_send, zmq_getsockopt, zmq_errno = _functions()
