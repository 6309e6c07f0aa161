"""
``homing doctor``: what a customer would find out first, found in the live accounts before.

``checks.py`` lists every check. A check is a function of a `Case` (configuration and what was
asked); only ``fetching.py``, ``recorded.py``, ``kept.py`` and ``repair.py`` touch the world.
"""
