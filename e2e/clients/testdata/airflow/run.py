"""run.py FILE INSTANT runs the tasks of a DAG's file once, in order, for the data interval that ends at the instant.

A task is tried again at once, as often as the DAG's retries allow, unless it raised AirflowFailException; a sensor is asked
again, after a second at most, until what it answers is true. What a task answers is handed on as JSON, as XCom does it."""

import datetime, inspect, json, runpy, sys, time

from airflow.exceptions import AirflowFailException
from airflow.sdk import DAG

runpy.run_path(sys.argv[1])
context = {"data_interval_end": datetime.datetime.fromisoformat(sys.argv[2])}
results = {}


def execute(task):
    arguments = [json.loads(results[a]) if a in results else a for a in task.arguments]
    named = {name: context[name] for name in inspect.signature(task.function).parameters if name in context}
    while True:
        result = task.function(*arguments, **named)
        if task.poke_interval is None or result:
            return json.dumps(result)
        time.sleep(min(task.poke_interval, 1))


for task in DAG.current.tasks:
    for left in reversed(range(1 + DAG.current.retries)):
        try:
            results[task] = execute(task)
            break
        except AirflowFailException as error:
            sys.exit(f"{task.function.__name__} failed: {error}")
        except Exception as error:
            print(f"{task.function.__name__}: {error}; {left} tries are left", file=sys.stderr)
            if not left:
                sys.exit(1)
