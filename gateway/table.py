"""The table of sessions within the state: who is logged on, found by routing id and by account. Cold; no sockets."""

import secrets
from typing import Any

import numpy as np

from gateway.inbound import key_of
from gateway.layout import ALL_SHARDS, NOBODY, SESSION


def open_session(state: Any, identity: bytes, account: int, number: int, *, behind: bool, copy: int = NOBODY) -> int:
    """A session for ``account``, or for drop copy ``copy``, the other being NOBODY; its place, or NOBODY when all are taken.

    ``behind``: it will ask for what it has missed.
    """
    assert (account == NOBODY) != (copy == NOBODY)
    free = np.flatnonzero(state["sessions"]["live"] == 0)
    if len(free) == 0:
        return NOBODY
    place = int(free[0])
    dirty = int(state["sessions"][place]["dirty"])
    state["sessions"][place] = np.zeros((), SESSION)
    state["sessions"][place]["dirty"] = dirty  # the place may still be in the list, which must not name it twice
    session, name = state["sessions"][place], np.frombuffer(identity, np.uint8).copy()
    session["identity"][: len(name)] = name
    session["identity_bytes"], session["key"] = len(name), key_of(name, len(name))
    session["token"] = 1 + secrets.randbelow((1 << 32) - 1)
    session["account"], session["copy"], session["number"], session["live"] = account, copy, number, 1
    session["behind"], session["noticed"] = (ALL_SHARDS if behind else 0), 1
    session["next"] = _first(state, account)
    _set_first(state, account, place)
    _enter(state["index"], place, int(session["key"]))
    state["asker"], state["asker_place"] = 0, NOBODY
    return place


def close_session(state: Any, place: int) -> None:
    """Forget the session at ``place``: its routing id means nobody from now on."""
    session = state["sessions"][place]
    assert session["live"], "closed twice"
    _unlink(state, int(session["account"]), place)
    session["live"] = session["reports"] = 0
    if state["session"] == place:
        state["session"] = NOBODY
    state["index"][:] = NOBODY
    for other in live_places(state):
        _enter(state["index"], other, int(state["sessions"][other]["key"]))


def live_places(state: Any) -> list[int]:
    """Where there are sessions."""
    return np.flatnonzero(state["sessions"]["live"]).tolist()


def identity_of(state: Any, place: int) -> bytes:
    """The routing id of the session at ``place``."""
    session = state["sessions"][place]
    return bytes(session["identity"][: session["identity_bytes"]].tobytes())


def _enter(index: Any, place: int, key: int) -> None:
    mask = len(index) - 1
    at = key & mask
    while index[at] != NOBODY:
        at = (at + 1) & mask
    index[at] = place


def _unlink(state: Any, account: int, place: int) -> None:
    following = int(state["sessions"][place]["next"])
    at = _first(state, account)
    if at == place:
        _set_first(state, account, following)
        return
    while state["sessions"][at]["next"] != place:
        at = int(state["sessions"][at]["next"])
    state["sessions"][at]["next"] = following


def _first(state: Any, account: int) -> int:
    """The first session of the account, or of all drop copies."""
    return int(state["first_copy"] if account == NOBODY else state["first_session"][account])


def _set_first(state: Any, account: int, place: int) -> None:
    if account == NOBODY:
        state["first_copy"] = place
    else:
        state["first_session"][account] = place
