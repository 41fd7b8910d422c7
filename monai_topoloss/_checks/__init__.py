"""Every check of an argument and its message, written once: a module for each kind of argument.

Messages name the argument, what was expected and what came. A wrong kind is a `TypeError`, a wrong value a
`ValueError`.
"""
