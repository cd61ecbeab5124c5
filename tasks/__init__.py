"""What the program does about data: a folder for each stage, in the order of the stages.

In each folder the modules are pure (frames in, frames out), `stage.py` joins them to the store, and `task.py` is the
thin Prefect wrapper. Does not belong here: the order of stages (flows), or what a person says (schemas).
"""
