import datetime


class DAG:
    """Collects the tasks that are called while it is open, in that order."""

    current = None

    def __init__(self, dag_id, *, schedule, start_date, catchup, default_args):
        assert isinstance(start_date, datetime.datetime) and len(schedule.split()) == 5 and catchup is False
        self.dag_id, self.retries, self.tasks = dag_id, default_args["retries"], []

    def __enter__(self):
        DAG.current = self
        return self

    def __exit__(self, *_):
        pass


class Task:
    """A call of a task's function: it is not run when the file is read. Another task's argument may be its result."""

    def __init__(self, function, arguments, poke_interval):
        self.function, self.arguments, self.poke_interval = function, arguments, poke_interval
        DAG.current.tasks.append(self)


def task(function, poke_interval=None):
    return lambda *arguments: Task(function, arguments, poke_interval)


def sensor(*, mode, poke_interval):
    assert mode == "reschedule"
    return lambda function: task(function, poke_interval)


task.sensor = sensor
