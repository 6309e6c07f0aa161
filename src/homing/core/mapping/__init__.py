"""
Values computed from an event: Segment's mapping-kit.

    compile_mapping({"name": "$.profile.first_name"}).resolve(event)
"""

from homing.core.mapping.compile import Compiled, compile_mapping
from homing.core.mapping.errors import MappingError, MappingFailure
from homing.core.mapping.values import ABSENT, Absent

__all__ = ["ABSENT", "Absent", "Compiled", "MappingError", "MappingFailure", "compile_mapping"]
