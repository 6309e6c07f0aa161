"""What would happen: the stages of the service over a store in memory and a clock of its own."""

from homing.simulation.lines import SimLine
from homing.simulation.run import Simulation
from homing.simulation.source import Happening, from_log, read_happenings

__all__ = ["Happening", "SimLine", "Simulation", "from_log", "read_happenings"]
