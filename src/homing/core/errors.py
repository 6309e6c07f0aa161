"""Every error we raise on purpose says whose fault it is; this is the root of them."""


class HomingError(Exception):
    """Something went wrong that Homing knows how to name."""


class Unavailable(HomingError):
    """Nothing was kept, and nothing is wrong with what was asked: try again later."""
