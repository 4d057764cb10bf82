"""How dates are written where Django would not write them as our pages do."""
