"""Shared by the tests: a client, and what they do with executions.

The environment says where the server is and which key signs: boto3 reads AWS_ENDPOINT_URL_LAMBDA, AWS_ACCESS_KEY_ID and
so on by itself.
"""

import json
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# An execution that takes longer hangs.
PATIENCE = 120


def client(**options):
    """A client that sends each request once, so that the tests see each answer."""
    return boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, **options))


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.client = client()

    def start(self, function, event, **more):
        """Starts an execution, and returns its ARN."""
        started = self.client.invoke(
            FunctionName=f"{function}:$LATEST", InvocationType="Event", Payload=json.dumps(event), **more
        )
        self.assertEqual(started["StatusCode"], 202)
        return started["DurableExecutionArn"]

    def get(self, arn, **more):
        return self.client.get_durable_execution(DurableExecutionArn=arn, **more)

    def history(self, arn, **more):
        """All events, of as many pages as there are."""
        pages = self.client.get_paginator("get_durable_execution_history")
        return [event for page in pages.paginate(DurableExecutionArn=arn, **more) for event in page["Events"]]

    def until(self, what, look):
        """Looks again and again until there is something, and returns that."""
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            self.assertLess(time.monotonic(), end, f"waited {PATIENCE} s for {what}")
        return found

    def ended(self, arn):
        """The execution, once it has ended."""

        def look():
            execution = self.get(arn)
            return execution if "EndTimestamp" in execution else None

        return self.until(f"the end of {arn}", look)

    def callback(self, arn):
        """The id of the first callback of an execution, once it waits for it."""

        def look():
            started = [e for e in self.history(arn) if e["EventType"] == "CallbackStarted"]
            return started[0]["CallbackStartedDetails"]["CallbackId"] if started else None

        return self.until(f"a callback of {arn}", look)

    def waiting(self, **more):
        """Starts an execution that waits for a callback. Returns its ARN and the callback's id."""
        arn = self.start("callback", {"name": "asked"}, **more)
        return arn, self.callback(arn)

    def refused(self, status, exception, operation, **parameters):
        """Asserts that a request is refused with an exception that boto3 has a class for. Returns its message."""
        with self.assertRaises(getattr(self.client.exceptions, exception), msg=parameters) as raised:
            getattr(self.client, operation)(**parameters)
        return self.check_error(raised.exception.response, status, exception)

    def refused_for_all_services(self, client, status, exception):
        """The same for a list, and an exception that any service may answer, which boto3 has no class for."""
        with self.assertRaises(ClientError) as raised:
            client.list_durable_executions_by_function(FunctionName="greet")
        return self.check_error(raised.exception.response, status, exception)

    def check_error(self, response, status, exception):
        self.assertEqual(response["Error"]["Code"], exception)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], status, response)
        self.assertTrue(response["ResponseMetadata"]["RequestId"], response)
        self.assertTrue(response["Error"]["Message"], response)
        return response["Error"]["Message"]
