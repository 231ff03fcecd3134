"""The functions of the matcher whose machine code stands apart, and who they are. ``shm/apart.py`` says why."""

from typing import Final

from matcher.layout import STATE
from shm.apart import Apart
from shm.records import COMMAND

apart = Apart(STATE, COMMAND)
LONG_WAY: Final = 0
HAND_OVER: Final = 1
BEGIN: Final = 2
GO: Final = 3
TAKE_OFF: Final = 4
SETTLE: Final = 5
REJECTED: Final = 6
MAKE_ROOM: Final = 7
MAKE_TALL: Final = 8
MAKE_SHORT: Final = 9
