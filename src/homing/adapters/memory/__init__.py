"""The store in plain dictionaries: for tests and for simulation; it keeps nothing."""

from homing.adapters.memory.log import MemoryLog, MemoryLogReader
from homing.adapters.memory.state import MemoryState, MemoryTx

__all__ = ["MemoryLog", "MemoryLogReader", "MemoryState", "MemoryTx"]
