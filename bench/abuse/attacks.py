"""All attacks: the modules that register them."""

import attacks_bytes
import attacks_floods
import attacks_held
import attacks_others

LOADED = (attacks_held, attacks_bytes, attacks_floods, attacks_others)
