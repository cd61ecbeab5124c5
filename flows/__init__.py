"""In what order things are done: flows over the stages' tasks, and the command line that starts them.

Does not belong here: what a stage does (tasks), or when and where flows run (deployments).
"""
