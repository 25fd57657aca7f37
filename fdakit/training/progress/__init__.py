"""How a training goes: its pace, what observers are told of a step, and its first steps alone."""
