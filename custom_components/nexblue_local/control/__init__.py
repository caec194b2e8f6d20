"""Control: keep a charger in its desired state.

`Controller` takes commands and polls, `KeepAlive` writes the current limit in time.
After a power cut the charger has lost its settings and the connection. Whichever of
them connects next, `Reconciler.ready` brings the charger back before anything else:

1. A command whose answer was lost is read back, and stored if it was executed.
2. The charger is read: whether its session and its phase mode are still the same.
3. `plan.restoration` lists the writes, the safest first. They are made in this order;
   what has to follow the current limit waits until that is accepted.
4. What was not accepted, and a phase mode that may not be switched yet, is tried again
   at later polls (`Reconciler.retry_pending`). Until the phase mode is seen, or three
   attempts at it failed, the current is at most 6 A (`Phases.is_held`).
"""
