"""When and where flows run: schedules, work pools, images.

Does not belong here: what a flow does (flows). There are no deployments yet: any scheduler that runs `winnow nightly`
makes the nightly run, and a Prefect server sees it when PREFECT_API_URL names one.
"""
