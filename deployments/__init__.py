"""When and where flows run: deployments, schedules, automations, images.

Belongs here: the plan of what is deployed (plan), which follows from the declarations alone, and the two ways to bring
it to a server: `winnow deploy` (deploy) and `prefect deploy --all` with prefect.yaml. Does not belong here: what a flow
does (flows).
"""
