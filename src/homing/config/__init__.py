"""
The configuration: one TOML file, checked as a whole, compiled to plans.

``load`` is the way in. Everything it refuses comes in one `ConfigError`; secrets stay references
until they are used.
"""

from homing.config.loading import Loaded, find_config, load
from homing.config.problems import ConfigError, Problem
from homing.config.secrets import MissingSecret, SecretRef
from homing.config.settings import Settings

__all__ = [
    "ConfigError",
    "Loaded",
    "MissingSecret",
    "Problem",
    "SecretRef",
    "Settings",
    "find_config",
    "load",
]
